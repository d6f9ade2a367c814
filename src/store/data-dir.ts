import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';

/**
 * Where the image store lies: `$ZLAYER_DATA_DIR`, else `/var/lib/zlayer` for root, else `zlayer` in the user's data directory
 * (`$XDG_DATA_HOME`, which the XDG base directory specification requires to be absolute, else `~/.local/share`).
 */
export function resolveDataDir(env: Readonly<Record<string, string | undefined>>, uid: number): string {
  if (env.ZLAYER_DATA_DIR) return resolve(env.ZLAYER_DATA_DIR);
  if (uid === 0) return '/var/lib/zlayer';
  const xdg = env.XDG_DATA_HOME;
  const dataHome = xdg && isAbsolute(xdg) ? xdg : join(env.HOME || homedir(), '.local', 'share');
  return join(dataHome, 'zlayer');
}
