import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { BaseImage } from './base-images.ts';
import { type ProgramOptions, type ProgramResult, runOk, runProgram } from './process.ts';

const PROJECT = new URL('../../', import.meta.url).pathname;
/** The built command; what it loads lies beside it. */
export const BUNDLE = process.env['ZLAYER_BUNDLE'] ?? join(PROJECT, 'dist/zlayer.cjs');

/** The built command with a store of its own: what a user has. */
export interface Zlayer {
  readonly dataDir: string;
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Runs `zlayer …`; fails unless it succeeds. */
  run(args: readonly string[], options?: ProgramOptions): Promise<ProgramResult>;
  /** The same, for commands that are expected to fail. */
  tryRun(args: readonly string[], options?: ProgramOptions): Promise<ProgramResult>;
  loadBase(base: BaseImage): Promise<void>;
}

/** @param dataDir a fresh directory; remove it with `removeTempDir`. */
export function createZlayer(dataDir: string, bundle = BUNDLE): Zlayer {
  if (!existsSync(bundle)) throw new Error('dist/zlayer.cjs is missing; run `npm run build` before these tests.');
  const argv = [process.execPath, bundle];
  // Reading a large certificate file costs every start 35 ms, and these tests speak to the loopback alone.
  const env = { ZLAYER_DATA_DIR: dataDir, NODE_EXTRA_CA_CERTS: undefined, NO_COLOR: '1' };
  const settings = (options: ProgramOptions): ProgramOptions => ({
    timeoutMs: 300_000,
    ...options,
    env: { ...env, ...options.env },
  });
  const run = (args: readonly string[], options: ProgramOptions = {}): Promise<ProgramResult> =>
    runOk([...argv, ...args], settings(options));
  return {
    dataDir,
    argv,
    env,
    run,
    tryRun: (args, options = {}) => runProgram([...argv, ...args], settings(options)),
    loadBase: async ({ layout }) => {
      const archive = join(dataDir, '..', `base-${process.pid}.tar`);
      await runOk(['tar', '-C', layout, '-cf', archive, '.']);
      await run(['load', '-i', archive]);
      await runOk(['rm', '-f', archive]);
    },
  };
}
