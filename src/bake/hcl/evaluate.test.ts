import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { evaluate, type Scope } from './evaluate.ts';
import { createFunctions } from './functions/functions.ts';
import { parseHcl } from './parse-body.ts';
import type { Value } from './values.ts';

const TABLE = createFunctions({ nowMs: () => Date.UTC(2026, 0, 2, 3, 4, 5), homeDir: '/home/me' });
const VARIABLES: Readonly<Record<string, Value>> = {
  a: 1,
  name: 'app',
  list: ['x', 'y'],
  map: { k: 'v', n: 2 },
  none: null,
};

const SCOPE: Scope = {
  variable: (name) => VARIABLES[name],
  variableNames: () => Object.keys(VARIABLES),
  call: (name, args) => TABLE[name]?.(...args),
  functionNames: () => Object.keys(TABLE),
};

function value(text: string): Value {
  const source = { fileName: 'test.hcl', text: `x = ${text}\n` };
  const [attribute] = parseHcl(source).attributes;
  return evaluate(source, attribute!.value, SCOPE);
}

describe('evaluate()', () => {
  it.each<[string, Value]>([
    ['1 + 2 * 3', 7],
    ['(1 + 2) * 3', 9],
    ['-a - -2', 1],
    ['7 % 4', 3],
    ['1 < 2 && !(2 <= 1) || false', true],
    ['"1" == 1', false],
    ['[1, [2]] == [1, [2]]', true],
    ['a == 1 ? "one" : "other"', 'one'],
    ['"${name}:${a}"', 'app:1'],
    ['"${list}"', ['x', 'y']],
    ['"$${name} %%{ \\"q\\" \\n \\u00e9"', '${name} %{ "q" \n é'],
    ['"%{ if a == 1 }yes%{ else }no%{ endif }"', 'yes'],
    ['"%{ for i, v in list }${i}${v} %{ endfor }"', '0x 1y '],
    ['"a ${~ name ~} b"', 'aappb'],
    ['[for v in list : upper(v) if v != "x"]', ['Y']],
    ['{for k, v in map : k => "${v}!"}', { k: 'v!', n: '2!' }],
    ['{for v in ["a1", "a2", "b1"] : substr(v, 0, 1) => v...}', { a: ['a1', 'a2'], b: ['b1'] }],
    ['map.k', 'v'],
    ['map["n"]', 2],
    ['list[1]', 'y'],
    ['list.0', 'x'],
    ['[{n = 1}, {n = 2}][*].n', [1, 2]],
    ['[{n = 1}, {n = 2}].*.n', [1, 2]],
    ['{ a = 1, "b" : 2\n (name) = 3 }', { a: 1, b: 2, app: 3 }],
    ['max([1, 5, 2]...)', 5],
    ['try(map.missing, "fallback")', 'fallback'],
    ['can(map.missing)', false],
    ['[\n  1, # one\n  2, // two\n  /* three */ 3,\n]', [1, 2, 3]],
  ])('%s', (text, expected) => {
    expect(value(text)).toEqual(expected);
  });

  it('takes the common indent of a heredoc away, and keeps lines within an interpolation', () => {
    expect(value('<<-END\n    FROM ${name}\n      RUN x\n  END')).toBe('FROM app\n  RUN x\n');
    expect(value('<<END\n  kept\nEND')).toBe('  kept\n');
  });

  it.each([
    ['missing', 'There is no variable "missing".', undefined],
    ['nme', 'There is no variable "nme".', 'Did you mean "name"?'],
    ['uper("x")', 'There is no function "uper".', 'Did you mean "upper"?'],
    ['list[5]', 'The list has 2 items, and none at 5.', undefined],
    ['1 / 0', 'This divides by zero.', undefined],
    ['"${map}x"', 'What stands in a string cannot be object.', undefined],
    ['upper()', 'upper() failed: a string is missing.', undefined],
    ['list ? 1 : 2', 'A list is no bool.', undefined],
  ])('says what is wrong with %s, and where', (text, message, hint) => {
    let thrown: unknown;
    try {
      value(text);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toMatchObject({ code: 'BAKE_INVALID', message, location: { range: { start: { line: 1 } } } });
    if (hint !== undefined) expect(thrown).toMatchObject({ hint });
  });

  it('gives back any JSON value through jsonencode and jsondecode', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 3 }), (json) => {
        const quoted = JSON.stringify(JSON.stringify(json)).replace(/[$%](?=\{)/g, (sign) => sign + sign);
        // HCL has fewer escapes than JSON: the others are written as code points.
        const codes: Readonly<Record<string, string>> = { '\\b': '\\u0008', '\\f': '\\u000c' };
        const escaped = quoted.replace(/\\./g, (pair) => codes[pair] ?? pair);
        expect(JSON.stringify(value(`jsondecode(${escaped})`))).toBe(JSON.stringify(json));
      }),
      { numRuns: 200 },
    );
  });
});

describe('functions', () => {
  it.each<[string, Value]>([
    ['format("%s-%03d %.2f %q %%", "a", 7, 1.5, "b")', 'a-007 1.50 "b" %'],
    ['formatlist("%s:%s", ["a", "b"], "x")', ['a:x', 'b:x']],
    ['join("-", list, ["z"])', 'x-y-z'],
    ['split(",", "a,b")', ['a', 'b']],
    ['replace("v1.2", ".", "-")', 'v1-2'],
    ['replace("a1b22", "/[0-9]+/", "#")', 'a#b#'],
    ['regex_replace("v1.2.3", "v(\\\\d+).*", "${"$"}1")', '1'],
    ['regex("(\\\\d+)\\\\.(\\\\d+)", "v1.2")', ['1', '2']],
    ['regex("(?P<major>\\\\d+)", "v12")', { major: '12' }],
    ['sanitize("feature/x y")', 'feature_x_y'],
    ['trim("--a--", "-")', 'a'],
    ['trimprefix("v1", "v")', '1'],
    ['title("hello world")', 'Hello World'],
    ['substr("hello", -3, 2)', 'll'],
    ['concat([1], [2, 3])', [1, 2, 3]],
    ['distinct([1, 2, 1])', [1, 2]],
    ['flatten([[1], [[2]], 3])', [1, 2, 3]],
    [
      'setproduct(["a", "b"], [1, 2])',
      [
        ['a', 1],
        ['a', 2],
        ['b', 1],
        ['b', 2],
      ],
    ],
    ['range(3)', [0, 1, 2]],
    ['range(4, 0, -2)', [4, 2]],
    ['merge({a = 1}, {b = 2}, {a = 3})', { a: 3, b: 2 }],
    ['lookup(map, "zz", "none")', 'none'],
    ['keys(map)', ['k', 'n']],
    ['zipmap(["a"], [1])', { a: 1 }],
    ['element(list, 3)', 'y'],
    ['coalesce("", none, "c")', 'c'],
    ['contains(list, "x")', true],
    ['length("äö")', 2],
    ['base64decode(base64encode("hi"))', 'hi'],
    ['sha256("")', 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'],
    ['csvdecode("a,b\\n1,\\"x,y\\"")', [{ a: '1', b: 'x,y' }]],
    ['timestamp()', '2026-01-02T03:04:05Z'],
    ['formatdate("YYYY-MM-DD\'T\'hh:mm:ssZ EEE", timestamp())', '2026-01-02T03:04:05Z Fri'],
    ['timeadd(timestamp(), "1h30m")', '2026-01-02T04:34:05Z'],
    ['semvercmp("1.2.3", ">= 1.2, < 2")', true],
    ['semvercmp("1.2.3-rc1", ">=1.2.3")', false],
    ['parseint("ff", 16)', 255],
    ['homedir()', '/home/me'],
  ])('%s', (text, expected) => {
    expect(value(text)).toEqual(expected);
  });
});

describe('parseHcl()', () => {
  it.each([
    ['x = \n', 'Here should be a value, but there is "end of line".', 1, 5],
    ['x = "abc\n', 'The string has no end.', 1, 9],
    ['target "a" {\n  x = 1 y = 2\n}', 'Here should be the end of the line, but there is "y".', 2, 9],
    ['target "a" {\n', 'Here should be a name or "}", but the file ends.', 2, 1],
    ['x = 1\nx = 2\n', 'x is set twice: it is set in line 1 already.', 2, 1],
    ['x = <<E\nabc\n', 'The heredoc has no end: there is no line "E".', 1, 5],
    ['x = "\\q"', '"\\q" is no escape.', 1, 6],
    [`x = ${'('.repeat(500)}1`, 'This is nested too deeply.', 1, 205],
  ])('says where %j goes wrong', (text, message, line, column) => {
    expect(() => parseHcl({ fileName: 'f.hcl', text })).toThrow(
      expect.objectContaining({
        code: 'BAKE_INVALID',
        message,
        location: expect.objectContaining({ range: expect.objectContaining({ start: { line, column } }) }),
      }),
    );
  });

  it('ends in a tree or a located error, whatever it reads', () => {
    const words = fc.constantFrom(
      'target',
      '"a"',
      '{',
      '}',
      '=',
      '[',
      ']',
      '(',
      ')',
      '"',
      '${',
      '%{',
      'if',
      'for',
      'in',
      ':',
      '=>',
      '...',
      '<<E\n',
      'E\n',
      '\n',
      ',',
      '?',
      '.',
      '*',
      '1',
      'x',
      '#',
      '/*',
      '~',
      '-',
      '!',
    );
    fc.assert(
      fc.property(fc.array(words, { maxLength: 40 }), (parts) => {
        try {
          parseHcl({ fileName: 'f', text: parts.join(' ') });
        } catch (error) {
          expect(error).toMatchObject({ code: 'BAKE_INVALID', location: { fileName: 'f' } });
        }
      }),
      { numRuns: 3000 },
    );
  });
});
