import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';
import { PURE } from './tools/architecture.mjs';

/** The files that take longest, ten seconds and more: begun first, so that no worker waits for the last of them. */
const LONG = [
  'test/e2e/cases',
  'test/contract/buildah-cli',
  'test/differential/differential',
  'test/e2e/kill',
  'test/contract/buildah-sidecar',
  'test/contract/native',
  'test/buildd/lifecycle',
  'test/buildd/two-hosts',
  'test/e2e/interop',
];

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification): number => {
      const at = LONG.findIndex((name) => moduleId.endsWith(`${name}.test.ts`));
      return at < 0 ? LONG.length : at;
    };
    return (await super.sort(files)).toSorted((a, b) => rank(a) - rank(b));
  }
}

/**
 * What touches nothing of the host: it gives every user the same results, and leaves nothing behind in its process, which
 * takes file after file.
 */
const pure = [
  ...PURE.map((folder) => `src/${folder}/**/*.test.ts`),
  'test/conformance/**/*.test.ts',
  'test/fuzz/**/*.test.ts',
];
const all = ['src/**/*.test.ts', 'test/**/*.test.ts', 'tools/**/*.test.ts'];

export default defineConfig({
  test: {
    testTimeout: 60_000,
    hookTimeout: 60_000,
    pool: 'forks',
    // Half of the time tests wait for other programs; by default one core would be left idle.
    maxWorkers: availableParallelism(),
    sequence: { sequencer: LongestFirst },
    projects: [
      { extends: true, test: { name: 'host', include: all, exclude: ['**/node_modules/**', ...pure] } },
      { extends: true, test: { name: 'pure', include: pure, isolate: false } },
    ],
  },
});
