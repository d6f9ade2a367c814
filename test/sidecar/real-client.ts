import { utimesSync } from 'node:fs';
import { join } from 'node:path';
import { createSidecarBackend } from '../../src/backends/buildah-sidecar/sidecar-backend.ts';
import { type BuildBackend, type BuildRequest, type BuildResult, buildWith } from '../../src/backends/index.ts';
import { loadRequest } from '../../src/backends/request/load-request.ts';
import type { BuildEvent } from '../../src/core/index.ts';
import { openStore } from '../../src/store/index.ts';
import type { DaemonFixture } from '../buildd/daemon-fixture.ts';
import { writeFiles } from '../buildd/write-files.ts';
import { observe } from './sidecar-fixture.ts';

/** What one build told. */
export interface Observed {
  readonly result: BuildResult;
  readonly events: readonly BuildEvent[];
  /** What its steps printed. */
  readonly log: string;
}

export interface BuildInput {
  readonly dockerfile: string;
  readonly files?: Readonly<Record<string, string>>;
  readonly request?: Partial<BuildRequest>;
  readonly onEvent?: (event: BuildEvent) => void;
}

/** A client of a daemon of ours, with a store of its own. */
export interface RealClient {
  readonly backend: BuildBackend;
  build(input: BuildInput): Promise<Observed>;
  close(): Promise<void>;
}

const FILE_TIME = 1_600_000_000;

let count = 0;

/** @param options `address` is the daemon's own unless the way to it is another one. */
export async function openRealClient(
  { daemon, directory, tlsDirectory }: Pick<DaemonFixture, 'daemon' | 'directory' | 'tlsDirectory'>,
  options: { readonly address?: string; readonly env?: Readonly<Record<string, string>> } = {},
): Promise<RealClient> {
  count += 1;
  const root = join(directory, `client-${count}`);
  const store = await openStore({ root: join(root, 'data') });
  const address = options.address ?? daemon.address;
  const backend = createSidecarBackend({
    store,
    env: { HOME: root, ...options.env, ZLAYER_BUILDD_ADDR: address, ZLAYER_BUILDD_TLS_DIR: tlsDirectory },
    patience: { totalMs: 10_000, firstPauseMs: 10, maxPauseMs: 100 },
  });
  let builds = 0;
  return {
    backend,
    build: async ({ dockerfile, files = {}, request = {}, onEvent = () => undefined }) => {
      builds += 1;
      const path = writeFiles(join(root, `context-${builds}`), { ...files, Dockerfile: dockerfile });
      // Times of files are part of what a step copies: equal files have equal ones.
      for (const name of Object.keys(files)) utimesSync(join(path, name), FILE_TIME, FILE_TIME);
      const { context, events } = observe();
      const loaded = await loadRequest(store, { context: { kind: 'directory', path }, ...request }, context);
      const emit = (event: BuildEvent): void => {
        context.emit(event);
        onEvent(event);
      };
      const result = await buildWith(backend, { loaded }, { ...context, emit });
      return { result, events, log: events.map((event) => (event.kind === 'log' ? event.text : '')).join('') };
    },
    close: () => backend.close(),
  };
}

/** How the steps of a build came about, by their names. */
export function verdictOf({ result }: Observed, word: string): string | undefined {
  return result.steps.find(({ name }) => name.includes(word))?.verdict.kind;
}
