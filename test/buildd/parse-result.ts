import type { BuildResult } from '../../src/backends/index.ts';

/** The result that the last event of a build carries. */
export function parseResult(bytes: Uint8Array): BuildResult {
  return JSON.parse(Buffer.from(bytes).toString('utf8')) as BuildResult;
}
