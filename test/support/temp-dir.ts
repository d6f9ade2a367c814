import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runProgram } from './process.ts';

/** A fresh directory outside the project. Its path is short: unix sockets and overlay options lie below it. */
export function makeTempDir(prefix: string): string {
  return mkdtempSync(join(tmpdir(), `zlt-${prefix}-`));
}

/** Removes a directory that may hold files of mapped users (rootless stores), which only their namespace can remove. */
export async function removeTempDir(path: string): Promise<void> {
  try {
    rmSync(path, { recursive: true, force: true, maxRetries: 2 });
  } catch {
    const namespace = ['unshare', '--user', '--map-root-user', '--map-auto'];
    await runProgram([...namespace, 'chmod', '-R', 'u+rwx', path]);
    await runProgram([...namespace, 'rm', '-rf', path]);
  }
}
