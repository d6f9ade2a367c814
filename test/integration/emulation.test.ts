import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { requireEmulation } from '../../src/backends/native/require-emulation.ts';
import { platformOfHost, type RunContext } from '../../src/core/index.ts';
import { TRIAL_STATUS, trialProgram } from '../../src/engine/exec/trial-program.ts';
import { findEmulation } from '../../src/engine/steps.ts';
import type { Graph } from '../../src/graph/index.ts';
import { type BuildEvent, type BuildRequest, build } from '../../src/index.ts';
import { openStore, type Store } from '../../src/store/index.ts';

const home = mkdtempSync(join(tmpdir(), 'zlayer-emulation-'));
const dataDir = join(home, 'store');
const FOREIGN = platformOfHost(process.platform, process.arch).architecture === 'arm64' ? 'amd64' : 'arm64';
const platform = `linux/${FOREIGN}`;
let store: Store;
let isEmulated: boolean;

beforeAll(async () => {
  store = await openStore({ root: dataDir });
  isEmulated = (await findEmulation((prefix) => store.makeTempDir(prefix), FOREIGN)) === undefined;
  process.stderr.write(
    `${isEmulated ? 'With' : 'SKIPPED steps under an emulator: without'} an emulator for ${platform}.\n`,
  );
});
afterAll(() => rmSync(home, { recursive: true, force: true }));

/** The foreign program is all there is in the image: its status tells that it ran. */
function request(): BuildRequest {
  const path = join(home, 'context');
  mkdirSync(path, { recursive: true });
  writeFileSync(join(path, 'program'), trialProgram(FOREIGN)!);
  writeFileSync(join(path, 'Dockerfile'), 'FROM scratch\nCOPY --chmod=755 program /program\nRUN ["/program"]\n');
  return { context: { kind: 'directory', path }, dataDir, platform };
}

describe('RUN for another architecture', () => {
  it('is refused at its line before the first step where no emulator is registered', async ({ skip }) => {
    if (isEmulated) skip();
    const events: BuildEvent[] = [];
    const error = await build(request(), { onEvent: (event) => events.push(event) }).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({
      code: 'HOST_LACKS',
      message: expect.stringContaining(`no emulator for ${FOREIGN} is registered`),
      hint: expect.stringContaining('qemu-user-static'),
      location: { range: { start: { line: 3 } } },
    });
    expect(events.filter(({ kind }) => kind === 'vertex-started')).toEqual([]);
  });

  it('runs under an emulator where one is registered', async ({ skip }) => {
    if (!isEmulated) skip();
    await expect(build(request())).rejects.toMatchObject({ code: 'STEP_FAILED', facts: { exitCode: TRIAL_STATUS } });
  });
});

describe('requireEmulation()', () => {
  const id = `sha256:${'a'.repeat(64)}` as const;
  const graph = {
    vertices: [
      { id, op: { kind: 'exec', platform }, inputs: [], info: { name: 'RUN', slot: 's', ignoreCache: false } },
    ],
  } as unknown as Graph;
  const context: RunContext = { signal: new AbortController().signal, emit: () => undefined };
  const planned = (kind: 'cached' | 'run') => async () =>
    new Map([[id, { vertex: graph.vertices[0]!, verdict: { kind, reason: '' }, startedMs: 0, durationMs: 0 }]]);

  it('lets steps pass that the cache has', async ({ skip }) => {
    await requireEmulation({ store, plan: planned('cached') }, graph, context);
    if (isEmulated) skip();
    await expect(requireEmulation({ store, plan: planned('run') }, graph, context)).rejects.toMatchObject({
      code: 'HOST_LACKS',
    });
  });
});
