import { accessSync, constants, mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * Where fixtures that take long to make are kept between suites and runs: `ZLAYER_TEST_CACHE`, or a folder of this user
 * in the temporary directory. It may belong to another user (the rootless run reads what root's run made), and then is
 * only read.
 */
export function fixtureCache(): string {
  return process.env.ZLAYER_TEST_CACHE ?? ownCache();
}

/** Where new fixtures go: the same folder, or one of this user alone where that one is only read. */
export function writableCache(): string {
  return isWritable(fixtureCache()) ? fixtureCache() : ownCache();
}

function ownCache(): string {
  const path = join(tmpdir(), `zlayer-test-${process.getuid?.() ?? 0}`);
  mkdirSync(path, { recursive: true, mode: 0o755 });
  return path;
}

function isWritable(path: string): boolean {
  try {
    mkdirSync(path, { recursive: true });
    accessSync(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
