import { chmodSync, readdirSync, rmSync } from 'node:fs';

/** Removes a directory with everything in it, if it is there; those of a context may forbid their owner to change them. */
export function removeTree(directory: string): void {
  try {
    rmSync(directory, { recursive: true, force: true });
  } catch {
    unlock(Buffer.from(directory));
    rmSync(directory, { recursive: true, force: true });
  }
}

function unlock(directory: Buffer): void {
  chmodSync(directory, 0o700);
  for (const entry of readdirSync(directory, { withFileTypes: true, encoding: 'buffer' })) {
    if (entry.isDirectory()) unlock(Buffer.concat([directory, Buffer.from('/'), entry.name]));
  }
}
