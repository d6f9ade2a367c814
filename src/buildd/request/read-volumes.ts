import { statSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import type { DaemonPolicy } from './daemon-policy.ts';
import type { StepMount } from './edit-dockerfile.ts';
import { fieldError, unsupportedField } from './parse-fields.ts';

/** Directories of the daemon's host that RUN steps see. */
export interface Volumes {
  readonly mounts: readonly StepMount[];
  /** Named contexts for them, by name. */
  readonly directories: ReadonlyMap<string, string>;
}

/**
 * Reads `HOST:CONTAINER:OPTIONS`. `ro` is read-only; `O` may be written to, and forgets it at the end of the step. What a
 * step reads is part of its cache key. Steps never write to the daemon's host, so a volume needs one of the two.
 *
 * @throws BuildError `USAGE`, `NOT_ALLOWED`, `UNSUPPORTED`
 */
export function readVolumes(texts: readonly string[], policy: DaemonPolicy): Volumes {
  const directories = new Map<string, string>();
  const mounts = texts.map((text, index): StepMount => {
    const [host = '', target = '', options = '', ...rest] = text.split(':');
    if (rest.length > 0 || !host.startsWith('/') || !target.startsWith('/')) {
      throw fieldError('volumes', `takes HOST:CONTAINER:OPTIONS with absolute paths, not "${text}"`);
    }
    const readonly = readOptions(text, options);
    const real = policy.paths.resolve(host, 'volumes');
    const isDirectory = statSync(real).isDirectory();
    const from = `zlayer-volume-${index}`;
    directories.set(from, isDirectory ? real : dirname(real));
    return { from, source: isDirectory ? '/' : `/${basename(real)}`, target, readonly };
  });
  return { mounts, directories };
}

/** True for read-only. Labels for SELinux (`z`, `Z`) and propagation have nothing to do: the files are copied. */
function readOptions(text: string, options: string): boolean {
  const words = options.split(',').filter((word) => word !== '');
  const unknown = words.find((word) => !['ro', 'O', 'z', 'Z'].includes(word) && word !== 'rw');
  if (unknown !== undefined)
    throw unsupportedField('volumes', `the option "${unknown}" of "${text}" is not known here`);
  if (words.includes('ro')) return true;
  if (words.includes('O')) return false;
  throw unsupportedField(
    'volumes',
    `"${text}" could be written to by steps, and would change the daemon's host`,
    'Add :ro to read it, or :O to write to a copy that each step forgets.',
  );
}
