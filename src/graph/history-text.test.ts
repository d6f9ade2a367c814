import { describe, expect, it } from 'vitest';
import { formatHealthcheck, quoteWords } from './history-text.ts';

describe('quoteWords()', () => {
  it('puts words in quotes, without commas', () => {
    expect(quoteWords(['sh', '-c', 'echo "x" \\'])).toBe('["sh" "-c" "echo \\"x\\" \\\\"]');
    expect(quoteWords([])).toBe('[]');
  });
});

describe('formatHealthcheck()', () => {
  it.each([
    [0, '0s'],
    [1_000_000, '1ms'],
    [1_500_000, '1.5ms'],
    [1_500_000_000, '1.5s'],
    [60_000_000_000, '1m0s'],
    [90_000_000_000, '1m30s'],
    [3_600_000_000_000, '1h0m0s'],
    [5_025_250_000_000, '1h23m45.25s'],
  ])('writes %d ns as %s', (interval, text) => {
    expect(formatHealthcheck({ Test: ['CMD', 'x'], Interval: interval })).toBe(
      `{Test:[CMD x] Interval:${text} Timeout:0s StartPeriod:0s StartInterval:0s Retries:0}`,
    );
  });

  it('names every field', () => {
    const check = { Test: ['CMD-SHELL', 'a b'], Timeout: 3e9, StartPeriod: 1e9, StartInterval: 2e9, Retries: 3 };
    expect(formatHealthcheck(check)).toBe(
      '{Test:[CMD-SHELL a b] Interval:0s Timeout:3s StartPeriod:1s StartInterval:2s Retries:3}',
    );
  });
});
