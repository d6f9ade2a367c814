import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { KNOWN_DIFFERENCES } from './known-differences.ts';

/** The reference projects' own cases as data. They lie outside the repository; see docs on testing. */
const FOLDER = join(process.env.ZLAYER_SHARED ?? resolve(import.meta.dirname, '../../../shared'), 'conformance');

export interface ConformanceCase {
  readonly id: string;
  readonly kind: string;
}

export interface DataSetTests<C extends ConformanceCase> {
  readonly name: string;
  /** Cases by kind, so that a lost case is seen. */
  readonly counts: Readonly<Record<string, number>>;
  /** Throws when the case does not hold. */
  readonly check: (testCase: C) => void;
}

/**
 * A test for each case of a data set. A case in the list of known differences must fail; one that holds there is an error,
 * as is an id that no case has. Without the data the set is skipped aloud, on CI it fails.
 */
export function describeDataSet<C extends ConformanceCase>({ name, counts, check }: DataSetTests<C>): void {
  const file = join(FOLDER, `${name}.json`);
  describe(`conformance ${name}`, () => {
    if (!existsSync(file)) {
      reportMissing(file);
      return;
    }
    const { cases } = JSON.parse(readFileSync(file, 'utf8')) as { readonly cases: readonly C[] };
    const known = KNOWN_DIFFERENCES[name] ?? {};
    const tally = { passed: 0, failed: 0, known: 0 };
    for (const testCase of cases) {
      it(testCase.id, () => {
        const problem = problemOf(() => check(testCase));
        const reason = known[testCase.id];
        tally[reason !== undefined && problem !== undefined ? 'known' : problem === undefined ? 'passed' : 'failed']++;
        if (reason === undefined && problem !== undefined) throw problem;
        if (reason !== undefined)
          expect(problem, `listed as a known difference (${reason}), but it holds`).toBeDefined();
      });
    }
    it('holds the expected number of cases of each kind', () => {
      const found: Record<string, number> = {};
      for (const { kind } of cases) found[kind] = (found[kind] ?? 0) + 1;
      expect(found).toEqual(counts);
    });
    it('has a case for each known difference', () => {
      const ids = new Set(cases.map(({ id }) => id));
      expect(Object.keys(known).filter((id) => !ids.has(id))).toEqual([]);
    });
    afterAll(() => {
      process.stdout.write(
        `conformance ${name}: ${tally.passed} passed, ${tally.failed} failed, ${tally.known} known differences\n`,
      );
    });
  });
}

function problemOf(run: () => void): unknown {
  try {
    run();
    return undefined;
  } catch (error) {
    return error ?? new Error('thrown: nothing');
  }
}

function reportMissing(file: string): void {
  if (process.env.CI === 'true') {
    it('has its data', () => expect.fail(`${file} is missing; set ZLAYER_SHARED`));
  } else {
    it.skip(`SKIPPED: ${file} is missing; set ZLAYER_SHARED to run it`, () => {});
  }
}
