import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ensureBase } from '../../../test/support/base-images.ts';
import { BUILDAH_PROGRAMS, type Buildah, createBuildah } from '../../../test/support/buildah.ts';
import { lacksPrograms } from '../../../test/support/host.ts';
import { makeTempDir, removeTempDir } from '../../../test/support/temp-dir.ts';
import type { BuildEvent } from '../../core/index.ts';
import { openStore, type Store } from '../../store/index.ts';
import { loadRequest } from '../request/load-request.ts';
import type { BuildBackend, BuildRequest, BuildResult } from '../types.ts';
import { createBuildahBackend } from './buildah-backend.ts';
import { buildahCandidates } from './find-buildah.ts';

const skip = lacksPrograms('the backend buildah-cli', [...BUILDAH_PROGRAMS, 'mmdebstrap', 'busybox', 'flock']);
const QUIET = { signal: new AbortController().signal, emit: () => undefined };

describe('createBuildahBackend() and its program', () => {
  it('is looked for in the data directory, then in PATH, then where it usually is', () => {
    const candidates = buildahCandidates({ dataDir: '/data', env: { PATH: '/own:relative:/usr/bin' } });
    const first = ['/data/bin/buildah', '/own/buildah', '/usr/bin/buildah', '/usr/local/bin/buildah'];
    expect(candidates.slice(0, 4)).toEqual(first);
  });

  it('refuses one that is too old, naming both versions', async () => {
    const root = makeTempDir('oldbuildah');
    const store = await openStore({ root });
    mkdirSync(join(root, 'bin'));
    writeFileSync(join(root, 'bin', 'buildah'), '#!/bin/sh\necho buildah version 1.19.6\n', { mode: 0o755 });
    const backend = createBuildahBackend({
      store,
      env: process.env,
      registry: () => Promise.reject(new Error('none')),
    });
    expect(await backend.isAvailable(QUIET)).toMatchObject({
      available: false,
      reasons: [expect.stringContaining('1.19.6; 1.28')],
    });
    await removeTempDir(root);
  });
});

describe.skipIf(skip)('createBuildahBackend()', () => {
  const root = makeTempDir('bcli');
  let tool: Buildah;
  let store: Store;
  let backend: BuildBackend;

  beforeAll(async () => {
    tool = createBuildah(join(root, 'b'));
    await tool.loadBase(await ensureBase('busybox'));
    store = await openStore({ root: join(root, 'store') });
    const storage = { root: join(root, 'b', 'graph'), runRoot: join(root, 'b', 'run'), driver: 'overlay' };
    const env = { ...process.env, ...tool.env };
    backend = createBuildahBackend({ store, env, storage, registry: () => Promise.reject(new Error('no registry')) });
  }, 300_000);
  afterAll(() => removeTempDir(root), 120_000);

  async function build(
    lines: readonly string[],
    more: Partial<BuildRequest> = {},
    {
      signal = QUIET.signal,
      emit = (): void => undefined,
    }: { signal?: AbortSignal; emit?: (event: BuildEvent) => void } = {},
  ): Promise<BuildResult> {
    const path = join(root, 'context');
    mkdirSync(join(path, 'src'), { recursive: true });
    writeFileSync(join(path, 'src', 'kept'), 'kept');
    writeFileSync(join(path, 'src', 'hidden.log'), 'hidden');
    writeFileSync(join(path, '.dockerignore'), '**/*.log\n');
    const text = `${lines.join('\n')}\n`;
    const request: BuildRequest = { context: { kind: 'directory', path }, dockerfile: { kind: 'text', text }, ...more };
    return backend.buildImage(await loadRequest(store, request, QUIET), { signal, emit });
  }

  async function leftovers(): Promise<readonly string[]> {
    const containers = (await tool.run(['containers', '-q'])).stdout.trim();
    const parent = join(root, 'store', 'zlayer', 'tmp');
    const temporary = readdirSync(parent).flatMap((each) => readdirSync(join(parent, each)));
    return [...containers.split('\n'), ...temporary].filter((each) => each !== '' && !each.endsWith('.lock'));
  }

  it('makes what the Dockerfile says, ignore rules, users and config included', async () => {
    const log: string[] = [];
    const result = await build(
      [
        'FROM localhost/busybox AS made',
        'WORKDIR /made/here',
        'RUN pwd > where',
        'FROM localhost/busybox',
        'COPY --from=made /made /made',
        'COPY src /src/',
        'COPY <<NOTE /etc/note',
        'a note',
        'NOTE',
        'RUN cat /made/here/where /etc/note; ls /src',
        'HEALTHCHECK --start-interval=2s CMD true',
        'ONBUILD RUN echo later',
      ],
      { tags: ['localhost/made:1'], labels: { of: 'test' } },
      { emit: (event) => void (event.kind === 'log' && log.push(event.text)) },
    );
    expect(log.join('')).toBe('/made/here\na note\nkept\n');
    expect(result.config.config).toMatchObject({ Labels: { of: 'test' }, OnBuild: ['RUN echo later'] });
    const stored = await backend.inspectImage('localhost/made:1', QUIET);
    expect(stored.config).toEqual(result.config);
    expect(stored.digest).toBe(result.digest);
    const withLayer = (result.config.history ?? []).filter((entry) => entry.empty_layer !== true);
    expect(withLayer).toHaveLength(result.layers.length);
    expect(await leftovers()).toEqual([]);
  });

  it('gives steps and copies what buildah itself has no words for', async () => {
    const log: string[] = [];
    const lines = [
      'FROM localhost/busybox AS made',
      'RUN mkdir -p "/s/a b" && echo deep > "/s/a b/file" && echo left > /s/x.md && chown 5:6 "/s/a b/file"',
      'FROM localhost/busybox',
      'ARG LINES',
      'ARG DIR="/s/a b"',
      'ENV LINES=$LINES',
      'COPY --from=made --parents /s/./a*/file /parents/',
      'COPY --from=made --exclude=*.md --chmod=u=rwx,go= --chown=7 /s /some/',
      'COPY --from=made /s/x.md /mixed/',
      'RUN --mount=type=cache,id=seeded,target=/c,from=made,source=/s cat "/c/a b/file"; stat -c %u:%g "/c/a b/file"',
      'RUN --mount=type=bind,from=made,source=$DIR,target=/m,rw cat /m/file; echo changed > /m/file',
      'RUN --mount=type=bind,from=made,source=/s,target=/m cat "/m/a b/file"',
      'RUN printf "<%s>\\n" "$LINES"',
      'RUN --mount=type=secret,id=t,env=TOKEN --network=none echo "$TOKEN" $(grep -c : /proc/net/dev)',
      'RUN find /parents /some /mixed -type f | sort; stat -c "%a %u" "/some/a b/file"',
    ];
    const result = await build(
      lines,
      { buildArgs: { LINES: 'one\ntwo' }, secrets: { t: { kind: 'value', value: "it's\nsecret" } } },
      { emit: (event) => void (event.kind === 'log' && log.push(event.text)) },
    );
    expect(log.join('')).toBe(
      [
        ...['deep', '5:6', 'deep', 'deep', '<one', 'two>', "it's", 'secret 1'],
        ...['/mixed/x.md', '/parents/a b/file', '/some/a b/file', '700 7'],
      ]
        .map((line) => `${line}\n`)
        .join(''),
    );
    expect(result.config.config?.Env).toContain('LINES=one\ntwo');
    expect(JSON.stringify(await tool.run(['images', '--all', '--json']))).not.toContain('secret');
    expect(await leftovers()).toEqual([]);
  });

  it('ends a cancelled step with its processes, containers and files', async () => {
    const controller = new AbortController();
    const emit = (event: BuildEvent): void => {
      if (event.kind === 'log' && event.text.includes('running')) controller.abort();
    };
    const lines = ['FROM localhost/busybox', 'RUN echo running; sleep 87654'];
    await expect(build(lines, {}, { signal: controller.signal, emit })).rejects.toMatchObject({ code: 'CANCELLED' });
    const running = readdirSync('/proc').filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes('sleep\x0087654');
      } catch {
        return false;
      }
    });
    expect(running).toEqual([]);
    expect(await leftovers()).toEqual([]);
  });

  it('leaves nothing behind when a step fails', async () => {
    const error = await build(['FROM localhost/busybox', 'RUN echo why; exit 9']).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'STEP_FAILED', facts: { exitCode: 9, outputTail: ['why'] } });
    expect(await leftovers()).toEqual([]);
  });
});
