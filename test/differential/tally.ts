/** How a case came out. */
export type Result = 'passed' | 'failed' | 'known';

export interface Tally {
  count(theme: string, result: Result): void;
  /** A line for each theme, and one for all. */
  format(): string;
}

/** Counts results by theme. */
export function createTally(): Tally {
  const themes = new Map<string, Record<Result, number>>();
  const line = (name: string, { passed, failed, known }: Readonly<Record<Result, number>>): string =>
    `differential ${name}: ${passed} passed, ${failed} failed, ${known} known differences\n`;
  return {
    count: (theme, result) => {
      const counts = themes.get(theme) ?? { passed: 0, failed: 0, known: 0 };
      themes.set(theme, { ...counts, [result]: counts[result] + 1 });
    },
    format: () => {
      const sum = (result: Result): number => [...themes.values()].reduce((total, each) => total + each[result], 0);
      const all = { passed: sum('passed'), failed: sum('failed'), known: sum('known') };
      return [...themes, ['all', all] as const].map(([name, counts]) => line(name, counts)).join('');
    },
  };
}
