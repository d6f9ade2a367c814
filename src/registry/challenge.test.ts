import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseChallenges } from './challenge.ts';
import { createRedactor, redactText } from './redact.ts';
import { backoffDelay, parseRetryAfter } from './retry.ts';
import { mergeScopes } from './scope.ts';

describe('parseChallenges()', () => {
  it('reads several challenges with commas inside of quotes', () => {
    const header =
      'Bearer realm="https://a/t",service="s",scope="repository:a:pull,push repository:b:pull", Basic realm="x \\"y\\""';
    expect(parseChallenges(header)).toEqual([
      {
        scheme: 'bearer',
        parameters: { realm: 'https://a/t', service: 's', scope: 'repository:a:pull,push repository:b:pull' },
      },
      { scheme: 'basic', parameters: { realm: 'x "y"' } },
    ]);
  });

  it('reads bare values, spaces around the sign, and schemes without parameters', () => {
    expect(parseChallenges('Negotiate, NTLM TlRMTVNTUAAB==, BEARER Realm = abc')).toEqual(
      [
        { scheme: 'negotiate', parameters: {} },
        { scheme: 'ntlm', parameters: {} },
        { scheme: 'bearer', parameters: { realm: 'abc' } },
      ].map((entry) => expect.objectContaining(entry.scheme === 'ntlm' ? { scheme: 'ntlm' } : entry)),
    );
  });

  it('ends, and never throws, whatever comes', () => {
    fc.assert(fc.property(fc.string(), (text) => Array.isArray(parseChallenges(text))));
  });
});

describe('mergeScopes()', () => {
  it('joins the rights of one resource, also with a colon in its name', () => {
    expect(mergeScopes(['repository:h:5000/a:push', 'repository:h:5000/a:pull', 'repository:b:pull', ''])).toEqual([
      'repository:b:pull',
      'repository:h:5000/a:pull,push',
    ]);
  });

  it('keeps what is no scope of the usual form', () => {
    expect(mergeScopes(['aws', 'registry:catalog:*'])).toEqual(['aws', 'registry:catalog:*']);
  });
});

describe('redactText()', () => {
  for (const [text, expected] of [
    ['Authorization: Bearer abc.def-ghi', 'Authorization: Bearer ***'],
    ['Basic YW5uOnNlY3JldA==', 'Basic ***'],
    ['at https://ann:secret@host/x?a=1', 'at https://***@host/x?a=1'],
    [
      'https://s3/x?X-Amz-Signature=abc&X-Amz-Security-Token=q&part=1',
      'https://s3/x?X-Amz-Signature=***&X-Amz-Security-Token=***&part=1',
    ],
    ['{"refresh_token": "ab\\"c", "scope": "x"}', '{"refresh_token": "***", "scope": "x"}'],
    ['\u001b[31mred\u0007', ' [31mred '],
  ] as const) {
    it(`takes the secret out of ${JSON.stringify(text)}`, () => {
      expect(redactText(text)).toBe(expected);
    });
  }

  it('hides every secret it was told, also when it is encoded', () => {
    const redactor = createRedactor();
    redactor.addSecret('p@ss/word');
    redactor.addSecret('p@ss');
    expect(redactor.redact('x p@ss/word y p%40ss%2Fword z p@ss')).toBe('x *** y *** z ***');
  });
});

describe('backoffDelay() and parseRetryAfter()', () => {
  it('doubles up to a bound, with half of it left to chance', () => {
    expect([1, 2, 3, 20].map((failures) => backoffDelay(failures, 0))).toEqual([250, 500, 1000, 10_000]);
    expect([1, 2, 3, 20].map((failures) => backoffDelay(failures, 1))).toEqual([500, 1000, 2000, 20_000]);
  });

  it('reads seconds and dates, and nothing else', () => {
    const now = Date.parse('2026-01-01T00:00:00Z');
    expect(parseRetryAfter('12', now)).toBe(12_000);
    expect(parseRetryAfter('Thu, 01 Jan 2026 00:00:05 GMT', now)).toBe(5000);
    expect(parseRetryAfter('Wed, 31 Dec 2025 00:00:05 GMT', now)).toBe(0);
    expect(parseRetryAfter('soon', now)).toBeUndefined();
    expect(parseRetryAfter(undefined, now)).toBeUndefined();
  });
});
