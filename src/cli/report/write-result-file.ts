import { writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { BuildError } from '../../core/index.ts';

/**
 * Writes a small file that the user asked for.
 *
 * @throws BuildError `OUTPUT_FAILED`, naming the option.
 */
export function writeResultFile(
  path: string,
  text: string,
  context: { readonly cwd: string; readonly option: string },
): void {
  try {
    writeFileSync(resolve(context.cwd, path), text);
  } catch (cause) {
    throw new BuildError(
      'OUTPUT_FAILED',
      `${context.option} ${path} could not be written: ${(cause as Error).message}.`,
      { cause },
    );
  }
}
