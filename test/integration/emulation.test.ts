import { appendFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { requireEmulation } from '../../src/backends/native/require-emulation.ts';
import { platformOfHost, type RunContext } from '../../src/core/index.ts';
import { TRIAL_STATUS, trialProgram } from '../../src/engine/exec/trial-program.ts';
import { findEmulation } from '../../src/engine/steps.ts';
import type { Graph } from '../../src/graph/index.ts';
import { type BuildRequest, build } from '../../src/index.ts';
import { openStore, type Store } from '../../src/store/index.ts';
import { withoutEmulators } from '../support/emulators.ts';
import { runProgram } from '../support/process.ts';
import { createZlayer } from '../support/zlayer.ts';

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
  writeContext(path);
  return { context: { kind: 'directory', path }, dataDir, platform };
}

function writeContext(path: string): void {
  mkdirSync(path, { recursive: true });
  writeFileSync(join(path, 'program'), trialProgram(FOREIGN)!);
  writeFileSync(join(path, 'Dockerfile'), 'FROM scratch\nCOPY --chmod=755 program /program\nRUN ["/program"]\n');
}

describe('RUN for another architecture', () => {
  it('is refused at its line before the first step where no emulator is registered', async ({ skip }) => {
    const context = join(home, 'refused');
    writeContext(context);
    // It would run if it were not for the step after it.
    appendFileSync(join(context, 'Dockerfile'), 'COPY program /again\n');
    const { argv, env } = createZlayer(join(home, 'refused-store'));
    const build = [...argv, 'build', '--platform', platform, '--progress', 'rawjson', context];
    const command = isEmulated ? await withoutEmulators(build) : build;
    if (command === undefined) {
      process.stderr.write(
        'SKIPPED a missing emulator: one is registered, and this kernel has one registry for all.\n',
      );
      return skip();
    }
    const { exitCode, stderr } = await runProgram(command, { env });
    expect(exitCode).toBe(3);
    expect(stderr).toContain(`no emulator for ${FOREIGN} is registered`);
    expect(stderr).toMatch(/apt-get install qemu-user-static|as root with .*qemu-.* > .*\/register/);
    expect(stderr).toMatch(/Dockerfile:3\b/);
    expect(stderr).not.toContain('vertex-started');
  });

  it('runs under an emulator where one is registered', async ({ skip }) => {
    if (!isEmulated) skip();
    await expect(build(request())).rejects.toMatchObject({ code: 'STEP_FAILED', facts: { exitCode: TRIAL_STATUS } });
  });
});

describe('requireEmulation()', () => {
  const id = `sha256:${'a'.repeat(64)}` as const;
  const context: RunContext = { signal: new AbortController().signal, emit: () => undefined };

  it('lets steps pass that the cache has', async ({ skip }) => {
    const architecture = await findLacking();
    if (architecture === undefined) return skip('Every architecture has an emulator here.');
    const graph = {
      vertices: [
        {
          id,
          op: { kind: 'exec', platform: `linux/${architecture}` },
          inputs: [],
          info: { name: 'RUN', slot: 's', ignoreCache: false },
        },
      ],
    } as unknown as Graph;
    const planned = (kind: 'cached' | 'run') => async () =>
      new Map([[id, { vertex: graph.vertices[0]!, verdict: { kind, reason: '' }, startedMs: 0, durationMs: 0 }]]);
    await requireEmulation({ store, plan: planned('cached') }, graph, context);
    await expect(requireEmulation({ store, plan: planned('run') }, graph, context)).rejects.toMatchObject({
      code: 'HOST_LACKS',
    });
  });
});

async function findLacking(): Promise<string | undefined> {
  for (const architecture of ['s390x', 'ppc64le', 'riscv64', 'loong64']) {
    if ((await findEmulation((prefix) => store.makeTempDir(prefix), architecture)) !== undefined) return architecture;
  }
  return undefined;
}
