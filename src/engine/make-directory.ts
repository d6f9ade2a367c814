import { chmodSync, mkdirSync } from 'node:fs';

/** Makes a directory that every user of a step may enter, and its parents, whatever this process's umask is. */
export function makeOpenDirectory(path: string): void {
  mkdirSync(path, { recursive: true });
  chmodSync(path, 0o755);
}
