import { spawn } from 'node:child_process';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ensureBase } from '../support/base-images.ts';
import { lacksPrograms } from '../support/host.ts';
import { readLayout } from '../support/oci-layout.ts';
import { mountsBelow, processesNaming } from '../support/process-tree.ts';
import { createRandom } from '../support/random.ts';
import { makeTempDir, removeTempDir } from '../support/temp-dir.ts';
import { createZlayer, type Zlayer } from '../support/zlayer.ts';

const KILLS = Number(process.env.ZLAYER_KILLS ?? 40);
const SEED = Number(process.env.ZLAYER_KILL_SEED ?? 1);
const GONE_WITHIN_MS = 5_000;
const skip = lacksPrograms('kill test', ['busybox', 'unshare']);

// Every kind of work that leaves something half done: a long RUN with a child in a session of its own, layers with many
// files, copies, a cache mount, parallel stages. The build argument makes every step new.
const DOCKERFILE = `FROM localhost/busybox:latest AS left
ARG ROUND
RUN mkdir /left && for i in $(seq 200); do echo "$i $ROUND" > /left/$i; done
RUN rm /left/1* && setsid sh -c 'sleep 0.05; echo late > /left/late' & sleep 0.1; wait
FROM localhost/busybox:latest AS right
ARG ROUND
COPY files /files
RUN --mount=type=cache,target=/cache echo "$ROUND" >> /cache/rounds && cp -r /files /copy
FROM localhost/busybox:latest
ARG ROUND
COPY --from=left /left /left
COPY --from=right /copy /copy
RUN echo "$ROUND" > /round
`;

describe.skipIf(skip)('zlayer build, killed', () => {
  const root = makeTempDir('kill');
  const context = join(root, 'context');
  let zlayer: Zlayer;

  beforeAll(async () => {
    zlayer = createZlayer(join(root, 'store'));
    mkdirSync(join(context, 'files'), { recursive: true });
    writeFileSync(join(context, 'Dockerfile'), DOCKERFILE);
    for (let index = 0; index < 300; index++)
      writeFileSync(join(context, 'files', `f${index}`), `${index}\n`.repeat(500));
    await zlayer.loadBase(await ensureBase('busybox'));
  }, 120_000);
  afterAll(() => removeTempDir(root), 120_000);

  it(`leaves nothing behind and a store that the next build can use, ${KILLS} times`, {
    timeout: 900_000,
  }, async () => {
    const random = createRandom(SEED);
    const started = Date.now();
    await build('warm');
    let wholeMs = Date.now() - started;
    const survivors: string[] = [];
    let interrupted = 0;
    for (let round = 0; round < KILLS; round++) {
      const roundStarted = Date.now();
      const killed = await buildAndKill(`killed-${round}`, random() * wholeMs);
      if (killed) interrupted++;
      // The machine's load changes: the moments are spread over the time that a build takes now.
      else wholeMs = Math.min(wholeMs, Date.now() - roundStarted);
      survivors.push(...(await waitUntilGone()));
      expect(mountsBelow(root)).toEqual([]);
      // A build after every kill would only repeat what the next round does; each tenth is looked at closely.
      if (round % 10 === 9 || round === KILLS - 1) await expectWorkingStore(`after-${round}`);
    }
    expect(survivors).toEqual([]);
    // Leases of the dead protect nothing; garbage collection removes them.
    await zlayer.run(['prune', '--force']);
    expect([listOwn('tmp'), listOwn('leases'), listOwn('trash')]).toEqual([[], [], []]);
    await expectWorkingStore('after-prune');
    expect(interrupted).toBeGreaterThan(KILLS / 2);
  });

  async function expectWorkingStore(name: string): Promise<void> {
    await build(name);
    const layout = join(root, `check-${name}`);
    await zlayer.run([...buildArguments(name), '-o', `type=oci,dest=${layout},tar=false`]);
    expect(readLayout(layout).layers).toHaveLength(4);
    expect(listOwn('tmp')).toEqual([]);
    const { stdout } = await zlayer.run(['images', '--format', 'json']);
    expect(stdout).toContain('busybox');
  }

  function buildArguments(round: string): readonly string[] {
    return ['build', '--build-arg', `ROUND=${round}`, '-t', 'localhost/killed:latest', '--progress', 'plain', context];
  }

  async function build(round: string): Promise<void> {
    await zlayer.run(buildArguments(round));
  }

  /** True when the build was still running when it was killed. */
  function buildAndKill(round: string, afterMs: number): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const [file = '', ...args] = [...zlayer.argv, ...buildArguments(round)];
      const child = spawn(file, args, { env: { ...process.env, ...zlayer.env }, stdio: 'ignore' });
      const timer = setTimeout(() => child.kill('SIGKILL'), afterMs);
      child.once('error', reject);
      child.once('exit', (_, signal) => {
        clearTimeout(timer);
        resolve(signal === 'SIGKILL');
      });
    });
  }

  /** The kernel ends the step's processes when the builder dies; that takes moments, not a clean-up by somebody. */
  async function waitUntilGone(): Promise<readonly string[]> {
    const end = Date.now() + GONE_WITHIN_MS;
    for (;;) {
      const left = processesNaming(root);
      if (left.length === 0 || Date.now() > end) return left;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** What lies in a folder of the store that holds the belongings of builders. */
  function listOwn(folder: 'tmp' | 'leases' | 'trash'): readonly string[] {
    return readdirSync(join(zlayer.dataDir, 'zlayer', folder));
  }
});
