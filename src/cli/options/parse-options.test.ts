import { describe, expect, it } from 'vitest';
import { isBuildError } from '../../core/index.ts';
import { BUILD_OPTIONS } from '../commands/build-options.ts';
import type { OptionTable } from './option-table.ts';
import { parseOptions } from './parse-options.ts';

const TABLE = {
  tag: { kind: 'list', short: 't', placeholder: 'NAME', help: 'Name' },
  file: { kind: 'text', short: 'f', placeholder: 'FILE', help: 'File' },
  quiet: { kind: 'boolean', short: 'q', help: 'Quiet' },
  'no-cache': { kind: 'boolean', help: 'No cache' },
  verbose: { kind: 'boolean', short: 'v', help: 'Verbose' },
  pull: { kind: 'text', placeholder: 'WHEN', bare: 'always', choices: ['always', 'never', 'false'], help: 'Pull' },
  jobs: { kind: 'count', short: 'j', placeholder: 'N', help: 'Jobs' },
  squash: { kind: 'refused', takesValue: false, accepts: ['false'], help: 'Layers are not squashed' },
  memory: { kind: 'refused', short: 'm', takesValue: true, help: 'resources are not limited' },
} as const satisfies OptionTable;

const parse = (...args: string[]) => parseOptions(TABLE, args);

function failure(...args: string[]): { code: string; message: string; hint: string | undefined } {
  try {
    parse(...args);
  } catch (error) {
    if (isBuildError(error)) return { code: error.code, message: error.message, hint: error.hint };
    throw error;
  }
  throw new Error(`"${args.join(' ')}" was accepted.`);
}

describe('parseOptions()', () => {
  it.each([
    [['-t', 'a:1'], ['a:1']],
    [['-ta:1'], ['a:1']],
    [['-t=a:1'], ['a:1']],
    [['--tag', 'a:1'], ['a:1']],
    [['--tag=a:1'], ['a:1']],
    [['-qta:1'], ['a:1']],
    [['-qt', 'a:1'], ['a:1']],
    [['-qt=a:1'], ['a:1']],
    [
      ['-ta', '--tag', 'b', '-t=c'],
      ['a', 'b', 'c'],
    ],
    [['--tag=a=b'], ['a=b']],
    [['--tag='], ['']],
    [['-t', '-q'], ['-q']],
    [['--tag', '--quiet'], ['--quiet']],
  ])('reads %j as the values %j', (args, expected) => {
    expect(parse(...args).values.tag).toEqual(expected);
  });

  it.each([
    [['--no-cache'], true],
    [['--no-cache=true'], true],
    [['--no-cache=1'], true],
    [['--no-cache=T'], true],
    [['--no-cache=false'], false],
    [['--no-cache', '--no-cache=0'], false],
    [[], false],
  ])('reads the boolean of %j as %s', (args, expected) => {
    expect(parse(...args).values['no-cache']).toBe(expected);
  });

  it('never takes the word after a boolean as its value', () => {
    const { values, positionals } = parse('--no-cache', 'false');
    expect(values['no-cache']).toBe(true);
    expect(positionals).toEqual(['false']);
  });

  it('gives an option that may stand alone its bare value, and leaves the next word alone', () => {
    expect(parse('--pull', '.').values.pull).toBe('always');
    expect(parse('--pull', '.').positionals).toEqual(['.']);
    expect(parse('--pull=never').values.pull).toBe('never');
    expect(parse('--pull=false').values.pull).toBe('false');
    expect(parse('.').values.pull).toBeUndefined();
  });

  it('takes options after arguments, "-" as an argument, and everything after "--"', () => {
    const { values, positionals } = parse('-', '-q', 'b', '--', '-t', '--file');
    expect(values.quiet).toBe(true);
    expect(values.tag).toEqual([]);
    expect(positionals).toEqual(['-', 'b', '-t', '--file']);
  });

  it('lets the last value of a single option win, and tells which were given', () => {
    const { values, given } = parse('-f', 'a', '--file=b');
    expect(values.file).toBe('b');
    expect([...given]).toEqual(['file']);
  });

  it('reads bundled booleans, one of which may have a value', () => {
    const { values } = parse('-vq=false');
    expect([values.verbose, values.quiet]).toEqual([true, false]);
  });

  it('stops at --help, whatever follows', () => {
    expect(parse('--help', '--nonsense').wantsHelp).toBe(true);
    expect(parse('-qh').wantsHelp).toBe(true);
    expect(parse('-t', '-h').wantsHelp).toBe(false);
  });

  it.each([
    [['--tga', 'x'], 'There is no option --tga.', 'Did you mean --tag?'],
    [['--nocache'], 'There is no option --nocache.', 'Did you mean --no-cache?'],
    [['--constructor'], 'There is no option --constructor.', undefined],
    [['-x'], 'There is no option -x.', undefined],
    [['-qx'], 'There is no option -x (in -qx).', undefined],
    [['-quiet'], 'There is no option -u (in -quiet).', 'Did you mean --quiet?'],
    [['--file'], 'The option --file needs a value.', 'Write --file FILE.'],
    [['-qf'], 'The option -f needs a value.', 'Write -f FILE.'],
    [['--quiet=maybe'], '--quiet is either true or false, not "maybe".', undefined],
    [['-q=maybe'], '-q is either true or false, not "maybe".', undefined],
    [['--pull=allways'], '--pull cannot be "allways".', 'Did you mean "always"? It is one of: always, never, false.'],
    [['-j', '0'], '-j takes a whole number of 1 or more, not "0".', undefined],
    [['--jobs=1.5'], '--jobs takes a whole number of 1 or more, not "1.5".', undefined],
    [['--=x'], '"--=x" is not an option.', undefined],
    [['---quiet'], '"---quiet" is not an option.', undefined],
  ])('refuses %j with what is wrong and what is right', (args, message, hint) => {
    expect(failure(...args)).toEqual({ code: 'USAGE', message, hint });
  });

  it('names a refused option and the reason', () => {
    expect(failure('--squash')).toMatchObject({
      code: 'UNSUPPORTED',
      message: 'The option --squash is not supported: layers are not squashed.',
    });
    expect(failure('-m', '1g').message).toContain('The option -m is not supported');
    expect(failure('-m1g').code).toBe('UNSUPPORTED');
    expect(failure('--memory').code).toBe('USAGE');
  });

  it('accepts a value of a refused option that asks for what happens anyway', () => {
    expect(parse('--squash=false', '.').positionals).toEqual(['.']);
  });
});

describe('BUILD_OPTIONS', () => {
  it('has no letter twice', () => {
    const letters = Object.values<OptionTable[string]>(BUILD_OPTIONS).flatMap(({ short }) => short ?? []);
    expect(letters).toEqual([...new Set(letters)]);
  });
});
