import { BuildError, isBuildError, toBuildError } from '../core/index.ts';

const MOVE = 'set ZLAYER_DATA_DIR to a directory';

/** What a system error means for the store. `action` completes "could not …", such as `write a blob to /var/lib/zlayer`. */
export function toStoreError(cause: unknown, action: string): BuildError {
  if (isBuildError(cause)) return cause;
  const code = (cause as NodeJS.ErrnoException | undefined)?.code ?? '';
  switch (code) {
    case 'ENOSPC':
    case 'EDQUOT':
      return new BuildError('STORE_FULL', `Could not ${action}: no space is left (${code}).`, {
        cause,
        hint: `Free space with \`zlayer prune\`, or ${MOVE} on a larger disk.`,
      });
    case 'EROFS':
      return new BuildError('STORE_PERMISSION', `Could not ${action}: the file system is read-only.`, {
        cause,
        hint: `Remount it writable, or ${MOVE} that you may write.`,
      });
    case 'EACCES':
    case 'EPERM':
      return new BuildError('STORE_PERMISSION', `Could not ${action}: permission denied (${code}).`, {
        cause,
        hint: `Run as the user who owns the store, or ${MOVE} of your own.`,
      });
    case 'EIO':
      return new BuildError('STORE_CORRUPT', `Could not ${action}: the disk reports an I/O error.`, {
        cause,
        hint: `Check the disk, then ${MOVE} on a healthy one.`,
      });
    default:
      return toBuildError(cause);
  }
}

/** Runs a step of the store and converts what the system says about its failure. */
export function guard<T>(action: string, step: () => T): T {
  try {
    return step();
  } catch (error) {
    throw toStoreError(error, action);
  }
}

/** As `guard`, for a step that is awaited. */
export async function guardAsync<T>(action: string, step: () => Promise<T>): Promise<T> {
  try {
    return await step();
  } catch (error) {
    throw toStoreError(error, action);
  }
}

/** The code of a system error; undefined for anything else. */
export function systemCode(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException | undefined)?.code;
}
