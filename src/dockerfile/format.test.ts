import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isBuildError } from '../core/index.ts';
import { formatDockerfile } from './format.ts';
import { parseDockerfile } from './parse.ts';
import type { Dockerfile } from './types.ts';

/** The long run of a fuzzing session sets more. */
const RUNS = Number(process.env.ZLAYER_FUZZ_RUNS ?? 2000);

function parse(text: string): Dockerfile {
  return parseDockerfile(text, { fileName: 'Dockerfile' });
}

function format(text: string): string {
  return formatDockerfile(parse(text));
}

describe('formatDockerfile()', () => {
  it('prints keywords in capitals and one blank between words', () => {
    expect(format('from  a:1   as  b\ncopy  --from=x   a\tb  /c \ncmd [ "a","b" ]\nhealthcheck  cmd ["x"]')).toBe(
      'FROM a:1 AS b\nCOPY --from=x a b /c\nCMD ["a", "b"]\nHEALTHCHECK CMD ["x"]\n',
    );
  });
  it('keeps comments and squeezes blank lines', () => {
    expect(format('# escape=`\n\n\n# about\n  FROM a\n\n\n\n  # last\n\n')).toBe(
      '# escape=`\n\n# about\nFROM a\n\n# last\n',
    );
  });
  it('keeps the layout of an instruction over several lines, but for blanks at line ends', () => {
    expect(format('FROM a\nrun b \\  \n   # why\n   c\n')).toBe('FROM a\nRUN b \\\n   # why\n   c\n');
  });
  it('keeps a byte order mark at the end of a line, which is no blank', () => {
    expect(format('FROM a\nRUN a \\\n  b\u{feff}\n')).toBe('FROM a\nRUN a \\\n  b\u{feff}\n');
  });
  it.each(['\u{a0}', '\r', '\r ', '\r\r', '\f'])(
    'does not let a line go on that ends with the escape and %j',
    (space) => {
      const text = `FROM a\nRUN a \\${space}\nCMD b\n`;
      expect(format(text)).toBe(/^\r+$/.test(space) ? 'FROM a\nRUN a \\\nCMD b\n' : text);
    },
  );
  it('keeps heredocs to the byte', () => {
    const text = 'FROM a\nRUN <<-E cat\n\tx  \r\n\n\n\tE\n';
    expect(format(text)).toBe(text);
  });
  it('does not turn a comment into a directive, nor an argument into a flag', () => {
    expect(format('\n# escape=`\nFROM a')).toBe('\n# escape=`\nFROM a\n');
    expect(format('FROM a\nCOPY  --link -- --link /x')).toBe('FROM a\nCOPY --link -- --link /x\n');
  });

  const line = fc.constantFrom(
    'FROM a',
    'from --platform=$P  a AS b',
    'RUN a  b',
    'run <<E\n $x  \n\tE\nE',
    'RUN <<-E cat\n\tx\n\tE',
    'COPY  a  b',
    'COPY ["a b",   "c"]',
    'COPY --chown=[ a b',
    'COPY ["a\t"]',
    'COPY -- --a b',
    'ADD --exclude=x  a b',
    'ENV a b  c',
    'ENV a="x  y"   b=\\$c',
    'LABEL a=b \\\n  # c\n\n c=d',
    'RUN a \\  \n # c\n   b',
    'CMD []',
    'CMD [ "a" ]',
    'SHELL ["x"]',
    'ENTRYPOINT  x',
    'HEALTHCHECK --interval=1s  cmd  [ "a" ]',
    'healthcheck none',
    'ONBUILD  run  x',
    'ONBUILD COPY <<E /\nx\nE',
    'VOLUME /a   /b',
    'EXPOSE 1  2',
    'WORKDIR  /a  b',
    'USER x',
    'STOPSIGNAL 9',
    'ARG a=b  c',
    '# escape=`',
    '#   comment',
    '',
    '   ',
    '\\',
    '\\\nRUN c',
    'RUN d \\',
  );
  const files = fc
    .tuple(fc.constantFrom('\n', '\r\n'), fc.array(line, { maxLength: 12 }))
    .map(([end, lines]) => ['FROM x', ...lines].join(end) + end);

  it('prints what parses back to the same tree, and prints that the same', () => {
    let compared = 0;
    fc.assert(
      fc.property(files, (text) => {
        const tree = parseOrUndefined(text);
        if (tree === undefined) return;
        compared++;
        const printed = formatDockerfile(tree);
        expect(withoutPlaces(parse(printed))).toEqual(withoutPlaces(tree));
        expect(format(printed)).toBe(printed);
      }),
      { numRuns: RUNS },
    );
    expect(compared).toBeGreaterThan(500);
  });
  it('ends, for mutated files, in a tree or in an error with a place inside the file', () => {
    const mutation = fc.tuple(fc.nat(), fc.nat(4), fc.string({ unit: 'binary', maxLength: 3 }));
    fc.assert(
      fc.property(files, fc.array(mutation, { minLength: 1, maxLength: 4 }), (text, mutations) => {
        const mutated = mutations.reduce((current, [at, length, inserted]) => {
          const index = at % (current.length + 1);
          return current.slice(0, index) + inserted + current.slice(index + length);
        }, text);
        parseOrUndefined(mutated);
      }),
      { numRuns: RUNS },
    );
  });
});

/** Undefined for a located error; anything else that is thrown is a bug. */
function parseOrUndefined(text: string): Dockerfile | undefined {
  try {
    return parse(text);
  } catch (error) {
    if (!isBuildError(error) || error.location === undefined) throw error;
    const { start, end } = error.location.range;
    const lines = error.location.text.split('\n');
    expect(start.line).toBeLessThanOrEqual(lines.length);
    expect(start.column).toBeLessThanOrEqual(lines[start.line - 1]!.length + 1);
    expect(end.line * 1e6 + end.column).toBeGreaterThanOrEqual(start.line * 1e6 + start.column);
    return undefined;
  }
}

/** The tree without what a change of layout changes: places, and the line as written. */
function withoutPlaces(tree: Dockerfile): unknown {
  const json = JSON.stringify(tree, (key, value) => {
    if (key === 'range' || key === 'words') return undefined;
    return key === 'text' && typeof value === 'string' ? undefined : value;
  });
  // The normal form may mend what a warning is about: blank lines behind the last continuation go.
  const { warnings: _, ...rest } = JSON.parse(json) as Record<string, unknown>;
  return rest;
}
