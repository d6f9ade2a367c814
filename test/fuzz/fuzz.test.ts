import { describe, expect, it } from 'vitest';
import { fuzz } from './fuzz.ts';
import { TARGETS, type Target } from './targets.ts';

const COUNT = Number(process.env['ZLAYER_FUZZ_COUNT'] ?? 4000);
const SEED = Number(process.env['ZLAYER_FUZZ_SEED'] ?? 1);

describe('fuzz()', () => {
  it.each(TARGETS.map((target) => [target.name, target] as const))(
    `finds nothing in the %s, ${COUNT} times`,
    (_, target) => {
      const { tried, failures } = fuzz({ target, seed: SEED, count: COUNT, limitMs: 5000 });
      expect(failures.map(({ index, input, problem }) => `${index}: ${JSON.stringify(input)}\n${problem}`)).toEqual([]);
      expect(tried).toBe(COUNT);
    },
  );

  const planted: Target = {
    name: 'planted',
    corpus: ['FROM a\n'],
    tokens: ['RUN ', '\n'],
    check: (text) => {
      if (text.includes('RUN RUN')) throw new Error('planted');
    },
  };

  it('finds a fault that is there, and tells the input', () => {
    const { failures } = fuzz({ target: planted, seed: 7, count: 20_000, limitMs: 5000 });
    expect(failures.length).toBeGreaterThan(0);
    for (const { input, problem } of failures) {
      expect(input).toContain('RUN RUN');
      expect(problem).toContain('planted');
    }
  });

  it('tries the same for the same seed, and something else for another', () => {
    const inputsOf = (seed: number): readonly string[] => {
      const inputs: string[] = [];
      fuzz({ target: { ...planted, check: (text) => void inputs.push(text) }, seed, count: 50, limitMs: 5000 });
      return inputs;
    };
    expect(inputsOf(3)).toEqual(inputsOf(3));
    expect(inputsOf(3)).not.toEqual(inputsOf(4));
  });

  it('takes an input that lasts too long for a fault', () => {
    const slow: Target = {
      ...planted,
      check: () => {
        const end = performance.now() + 5;
        while (performance.now() < end);
      },
    };
    expect(fuzz({ target: slow, seed: 1, count: 1, limitMs: 1 }).failures[0]?.problem).toMatch(/it took \d+ ms/);
  });
});
