import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** True when the tests run as root: reference images can then be made with every owner and device. */
export const IS_ROOT = process.getuid?.() === 0;

/** What of `programs` cannot be found in PATH. */
export function missingPrograms(programs: readonly string[]): readonly string[] {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin'];
  return programs.filter((program) => !folders.some((folder) => isExecutable(join(folder, program))));
}

/**
 * Whether a suite has to be skipped because the host lacks programs. It says so aloud; in CI a suite that cannot run is a
 * failure, not a skip.
 */
export function lacksPrograms(suite: string, programs: readonly string[]): boolean {
  const missing = missingPrograms(programs);
  if (missing.length === 0) return false;
  const message = `${suite}: this host lacks ${missing.join(', ')}; tools/setup.sh --tests installs them.`;
  if (process.env.CI === 'true') throw new Error(message);
  process.stderr.write(`SKIPPED ${message}\n`);
  return true;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
