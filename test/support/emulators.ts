import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { runProgram } from './process.ts';

const EMULATORS = '/proc/sys/fs/binfmt_misc';

/**
 * Whether a suite has to be skipped because no emulator is registered for programs of some machines, by qemu's names such
 * as `aarch64`. In CI that is a failure where the kernel takes registrations.
 */
export function lacksEmulators(suite: string, machines: readonly string[]): boolean {
  const missing = machines.filter((machine) => !isRegistered(join(EMULATORS, `qemu-${machine}`)));
  if (missing.length === 0) return false;
  const message = `${suite}: no emulator for ${missing.join(', ')} is registered; as root, tools/setup.sh --tests does.`;
  if (process.env.CI === 'true' && existsSync(join(EMULATORS, 'register'))) throw new Error(message);
  process.stderr.write(`SKIPPED ${message}\n`);
  return true;
}

function isRegistered(path: string): boolean {
  try {
    return /^enabled$/m.test(readFileSync(path, 'utf8'));
  } catch {
    return false;
  }
}

/**
 * A command that is started where no emulator is registered: in a user namespace with a registry of its own, which kernels
 * since 6.7 have. Undefined on older ones.
 */
export async function withoutEmulators(argv: readonly string[]): Promise<readonly string[] | undefined> {
  const script = `mount -t binfmt_misc binfmt_misc ${EMULATORS} && exec "$@"`;
  const prefix = ['unshare', '--user', '--map-root-user', '--mount', 'sh', '-c', script, 'sh'];
  return (await runProgram([...prefix, 'true'])).exitCode === 0 ? [...prefix, ...argv] : undefined;
}
