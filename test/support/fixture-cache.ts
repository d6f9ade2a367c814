import { mkdirSync } from 'node:fs';
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

/** A folder of this user alone, for what each user makes anew. */
export function ownCache(): string {
  const path = join(tmpdir(), `zlayer-test-${process.getuid?.() ?? 0}`);
  mkdirSync(path, { recursive: true, mode: 0o755 });
  return path;
}
