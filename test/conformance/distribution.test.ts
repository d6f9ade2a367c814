import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runProgram } from '../support/process.ts';
import { NOT_PROVEN, PROVEN } from './distribution-checklist.ts';

// The checklist is prose: what proves an entry is a test of the registry client. They are run here once more, and the
// result of each is that of the entries that name it.

const ROOT = resolve(import.meta.dirname, '../..');
const FILE = join(process.env['ZLAYER_SHARED'] ?? resolve(ROOT, '../shared'), 'conformance/distribution.json');
const SUITES = ['auth', 'download', 'images', 'referrers', 'requests', 'upload'].map(
  (name) => `test/registry/${name}.test.ts`,
);
const UNITS = ['src/core/reference.test.ts', 'src/registry/referrers.test.ts'];

/** Outcomes by the full titles of the tests. */
async function runSuites(): Promise<ReadonlyMap<string, string>> {
  const directory = mkdtempSync(join(tmpdir(), 'zlayer-checklist-'));
  try {
    const report = join(directory, 'report.json');
    const vitest = join(ROOT, 'node_modules/vitest/vitest.mjs');
    const options = ['--configLoader', 'runner', '--no-cache', '--reporter=json', `--outputFile=${report}`];
    await runProgram([process.execPath, vitest, 'run', ...options, ...UNITS, ...SUITES], {
      cwd: ROOT,
      // The outer run must not speak to the inner one.
      env: Object.fromEntries(
        Object.keys(process.env)
          .filter((name) => name.startsWith('VITEST'))
          .map((name) => [name, undefined]),
      ),
      timeoutMs: 280_000,
    });
    const { testResults } = JSON.parse(readFileSync(report, 'utf8')) as {
      readonly testResults: ReadonlyArray<{
        readonly assertionResults: ReadonlyArray<{ readonly fullName: string; readonly status: string }>;
      }>;
    };
    return new Map(
      testResults.flatMap(({ assertionResults }) => assertionResults.map(({ fullName, status }) => [fullName, status])),
    );
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

describe('conformance distribution', () => {
  if (!existsSync(FILE)) {
    if (process.env['CI'] === 'true') it('has its data', () => expect.fail(`${FILE} is missing; set ZLAYER_SHARED`));
    else it.skip(`SKIPPED: ${FILE} is missing; set ZLAYER_SHARED to run it`, () => {});
    return;
  }
  const { cases } = JSON.parse(readFileSync(FILE, 'utf8')) as {
    readonly cases: ReadonlyArray<{ readonly id: string }>;
  };
  const ids = cases.map(({ id }) => id);
  const tally = { passed: 0, failed: 0, known: 0 };
  let outcomes: ReadonlyMap<string, string>;
  beforeAll(async () => {
    outcomes = await runSuites();
  }, 300_000);

  it('knows each of the 156 entries, each once', () => {
    expect(ids).toHaveLength(156);
    expect([...Object.keys(PROVEN), ...Object.keys(NOT_PROVEN)].sort()).toEqual([...ids].sort());
  });
  it.each(ids.filter((id) => id in PROVEN))('%s', (id) => {
    const outcome = outcomes.get(PROVEN[id]!);
    tally[outcome === 'passed' ? 'passed' : 'failed'] += 1;
    expect(outcome, `the test "${PROVEN[id]}"`).toBe('passed');
  });
  it.each(ids.filter((id) => id in NOT_PROVEN))('%s is listed with a reason', (id) => {
    tally.known += 1;
    expect(NOT_PROVEN[id]!.length).toBeGreaterThan(10);
  });
  afterAll(() => {
    process.stdout.write(
      `conformance distribution: ${tally.passed} passed, ${tally.failed} failed, ${tally.known} known differences\n`,
    );
  });
});
