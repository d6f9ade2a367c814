import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BuildEvent, type BuildRequest, type BuildResult, build } from '../../src/index.ts';

/** Places for builds that share nothing but what they are told to. */
export interface Machines {
  /** A directory for whatever a test keeps. */
  readonly home: string;
  /** A store of its own: another machine. */
  machine(): string;
  /** A directory with files, all of one time. */
  contextOf(files: Readonly<Record<string, string | Buffer>>): string;
  remove(): void;
}

const STAMP = 1_700_000_000;

export function createMachines(name: string): Machines {
  const home = mkdtempSync(join(tmpdir(), `zlayer-${name}-`));
  let machines = 0;
  return {
    home,
    machine: () => {
      machines += 1;
      return join(home, `machine-${machines}`);
    },
    contextOf: (files) => {
      const directory = mkdtempSync(join(home, 'context-'));
      for (const [file, text] of Object.entries(files)) {
        writeFileSync(join(directory, file), text);
        utimesSync(join(directory, file), STAMP, STAMP);
      }
      return directory;
    },
    remove: () => rmSync(home, { recursive: true, force: true }),
  };
}

export interface Observed {
  readonly result: BuildResult;
  readonly events: readonly BuildEvent[];
}

/** Builds a directory, and keeps what was told meanwhile. */
export async function buildOn(
  dataDir: string,
  path: string,
  { onEvent, ...options }: Partial<BuildRequest> & { readonly onEvent?: (event: BuildEvent) => unknown },
): Promise<Observed> {
  const events: BuildEvent[] = [];
  const request: BuildRequest = { context: { kind: 'directory', path }, dataDir, ...options };
  const observe = (event: BuildEvent): void => {
    events.push(event);
    onEvent?.(event);
  };
  return { result: await build(request, { onEvent: observe }), events };
}

/** What became of the steps that make layers. */
export function verdicts({ result }: Observed): readonly string[] {
  return result.steps.filter(({ name }) => /ADD|COPY|RUN/.test(name)).map(({ verdict }) => verdict.kind);
}

export function warnings({ events }: Observed): readonly string[] {
  return events.flatMap((event) => (event.kind === 'warning' ? [`${event.code}: ${event.message}`] : []));
}
