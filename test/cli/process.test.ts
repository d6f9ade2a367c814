import { execFile, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Plugin } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeCommand } from '../../tools/write-command.mjs';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../..', import.meta.url));

/** A build that goes on until it is cancelled, then needs a moment to clean up, in the place of the real builder. */
const WAITING_SERVICES = `
export function createServices() {
  const build = (request, { signal, onEvent }) =>
    new Promise((resolve, reject) => {
      onEvent({ kind: 'vertex-started', time: Date.now(), vertex: 'waiting' });
      onEvent({ kind: 'log', time: Date.now(), vertex: 'waiting', stream: 'stdout', text: 'at work\\n' });
      const alive = setInterval(() => {}, 1000);
      signal.addEventListener('abort', () => {
        process.stderr.write('cleaning up\\n');
        if (request.target === 'stubborn') return;
        clearInterval(alive);
        reject(signal.reason);
      });
      if (request.target === 'forgotten') clearInterval(alive);
    });
  const openStore = async () => ({
    root: '/nowhere',
    images: { list: async () => Array.from({ length: 20000 }, (_, i) => ({ reference: 'docker.io/library/app:' + i, descriptor: { digest: 'sha256:' + '0'.repeat(64), size: 1, mediaType: 'x' }, updatedMs: 0 })) },
    blobs: { read: async () => { throw new Error('missing'); } },
  });
  return { build, openStore };
}`;

let directory: string;
let program: string;
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'zlayer-process-'));
  program = join(directory, 'zlayer.cjs');
  writeFileSync(join(directory, 'services.mjs'), WAITING_SERVICES);
  const waitingServices: Plugin = {
    name: 'waiting-services',
    setup: (hooks) => {
      hooks.onResolve({ filter: /native-services\.ts$/ }, () => ({ path: join(directory, 'services.mjs') }));
    },
  };
  await writeCommand({ root, version: '1.2.3', out: directory, plugins: [waitingServices] });
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

interface Ended {
  readonly status: number | null;
  readonly stderr: string;
}

/** Starts a build and sends a signal whenever the text on standard error says so. */
function buildWithSignals(
  args: readonly string[],
  signals: readonly (readonly [when: string, signal: NodeJS.Signals])[],
): Promise<Ended> {
  const child = spawn(process.execPath, [program, 'build', '--progress=plain', ...args, '.'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const waiting = [...signals];
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
    if (waiting[0] !== undefined && stderr.includes(waiting[0][0])) child.kill(waiting.shift()![1]);
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status) => resolve({ status, stderr }));
  });
}

describe('the program', () => {
  it('prints its version', async () => {
    expect(await run(process.execPath, [program, '--version'])).toEqual({ stdout: 'zlayer 1.2.3\n', stderr: '' });
  });

  it.each(['SIGINT', 'SIGTERM'] as const)('cancels the build on %s and says so', async (signal) => {
    const { status, stderr } = await buildWithSignals([], [['at work', signal]]);
    expect(status).toBe(130);
    expect(stderr).toContain('cleaning up');
    expect(stderr).toContain('[CANCELLED]');
  });

  it('ends at once on a second signal', async () => {
    const { status, stderr } = await buildWithSignals(
      ['--target', 'stubborn'],
      [
        ['at work', 'SIGINT'],
        ['cleaning up', 'SIGINT'],
      ],
    );
    expect(status).toBe(130);
    expect(stderr).not.toContain('[CANCELLED]');
  });

  it('does not report success when the work is forgotten', async () => {
    expect((await buildWithSignals(['--target', 'forgotten'], [])).status).toBe(70);
  });

  it('is quiet when its reader goes away', async () => {
    const line = `set -o pipefail; ${process.execPath} ${program} images | head -1`;
    const { stdout, stderr } = await run('bash', ['-c', line]);
    expect(stdout).toMatch(/^REPOSITORY +TAG/);
    expect(stderr).toBe('');
  });
});

describe('the bash completion', () => {
  /** What bash would offer for a line, by the script itself. */
  async function offers(line: string): Promise<readonly string[]> {
    const script = `
      zlayer() { ${process.execPath} ${program} "$@"; }
      source <(zlayer completion bash)
      compopt() { :; }
      COMP_LINE=$1 COMP_POINT=\${#1}
      _zlayer
      printf '%s\\n' "\${COMPREPLY[@]}"`;
    const { stdout } = await run('bash', ['-c', script, 'bash', line], { cwd: directory });
    return stdout
      .split('\n')
      .filter((word) => word !== '')
      .sort();
  }

  it('completes commands, options, values behind "=", images with a colon, and files', async () => {
    expect(await offers('zlayer pu')).toEqual(['pull', 'push']);
    expect(await offers('zlayer build --no-c')).toEqual(['--no-cache', '--no-cache-filter']);
    expect(await offers('zlayer build --progress=p')).toEqual(['plain']);
    expect(await offers('zlayer push app:1999')).toEqual([
      '1999',
      '19990',
      '19991',
      '19992',
      '19993',
      '19994',
      '19995',
      '19996',
      '19997',
      '19998',
      '19999',
    ]);
    expect(await offers('zlayer build -f serv')).toEqual(['services.mjs']);
  });
});
