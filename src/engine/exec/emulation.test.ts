import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { platformOfHost } from '../../core/index.ts';
import { findEmulation } from './emulation.ts';
import { TRIAL_STATUS, trialProgram } from './trial-program.ts';

const directory = mkdtempSync(join(tmpdir(), 'zlayer-trial-'));
afterAll(() => rmSync(directory, { recursive: true }));

/** How qemu calls the architectures. */
const QEMU = {
  amd64: 'x86_64',
  '386': 'i386',
  arm64: 'aarch64',
  arm: 'arm',
  riscv64: 'riscv64',
  ppc64le: 'ppc64le',
  s390x: 's390x',
  loong64: 'loongarch64',
} as const;

const makeTempDir = async (prefix: string): Promise<string> => mkdtempSync(join(directory, `${prefix}-`));

describe('trialProgram()', () => {
  it.each(Object.entries(QEMU))(
    'is a program of %s that ends with its status (qemu-%s-static)',
    (architecture, name) => {
      const path = join(directory, architecture);
      writeFileSync(path, trialProgram(architecture)!, { mode: 0o755 });
      const isOwn = platformOfHost(process.platform, process.arch).architecture === architecture;
      const [program, ...args] = isOwn ? [path] : [`qemu-${name}-static`, path];
      const { status, error } = spawnSync(program!, args);
      if (!isOwn && (error as NodeJS.ErrnoException | undefined)?.code === 'ENOENT') {
        process.stderr.write(`SKIPPED trial program of ${architecture}: qemu-user-static is not installed.\n`);
        return;
      }
      expect(status).toBe(TRIAL_STATUS);
    },
  );

  it('is not made for an unknown architecture', () => {
    expect(trialProgram('sparc')).toBeUndefined();
  });
});

describe('findEmulation()', () => {
  it('finds nothing in the way of the programs of this host', async () => {
    const { architecture } = platformOfHost(process.platform, process.arch);
    expect(await findEmulation(makeTempDir, architecture)).toBeUndefined();
  });
});
