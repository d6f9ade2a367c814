import { describe, expect, it } from 'vitest';
import { type BuildError, isBuildError } from '../core/index.ts';
import { parseDockerfile, parseInstruction } from './parse.ts';
import type { Dockerfile, Instruction } from './types.ts';

function parse(text: string): Dockerfile {
  return parseDockerfile(text, { fileName: 'Dockerfile' });
}

/** The only instruction of a stage. */
function instruction<K extends Instruction['kind']>(text: string, kind: K): Extract<Instruction, { kind: K }> {
  const found = parse(`FROM scratch\n${text}`).stages[0]!.instructions;
  expect(found.map((one) => one.kind)).toEqual([kind]);
  return found[0] as Extract<Instruction, { kind: K }>;
}

/** The error of a text, with the part of the file that it points at. */
function failure(text: string): { readonly error: BuildError; readonly marked: string } {
  try {
    parse(text);
  } catch (error) {
    if (!isBuildError(error) || error.location === undefined) throw error;
    const { start, end } = error.location.range;
    const lines = error.location.text.split('\n').slice(start.line - 1, end.line);
    lines.push(lines.pop()!.slice(0, end.column - 1));
    lines.unshift(lines.shift()!.slice(start.column - 1));
    return { error, marked: lines.join('\n') };
  }
  throw new Error('accepted');
}

function inStage(text: string): string {
  return `FROM scratch\n${text}`;
}

describe('parseDockerfile()', () => {
  describe('directives', () => {
    it('ends the block at the first plain comment', () => {
      const { directives } = parse('# escape=`\n# plain\n# syntax=x\nFROM a');
      expect(directives).toEqual({ escape: '`' });
    });
    it.each(['#escape = \\', '# ESCAPE=\\', '#\tescape\t=\t\\'])('accepts %j', (line) => {
      expect(parse(`${line}\nFROM a`).directives.escape).toBe('\\');
    });
    it('refuses an escape character that is neither backslash nor backtick', () => {
      expect(failure('# escape=x\nFROM a').marked).toBe('x');
    });
    it('refuses a directive that is given twice', () => {
      expect(failure('# escape=\\\n# escape=\\\nFROM a').error.message).toContain('twice');
    });
    it('does not honour escape below an unknown directive', () => {
      expect(parse('# foo=bar\n# escape=`\nFROM a').directives.escape).toBe('\\');
    });
    it('finds a directive behind a byte order mark', () => {
      const { directives, text } = parse('\ufeff# syntax=docker/dockerfile:1 opts\nFROM a');
      expect(directives.syntax).toEqual({
        value: 'docker/dockerfile:1 opts',
        range: { start: { line: 1, column: 10 }, end: { line: 1, column: 34 } },
      });
      expect(text.startsWith('#')).toBe(true);
    });
    it('finds none below a blank line', () => {
      expect(parse('\n# escape=`\nFROM a').directives.escape).toBe('\\');
    });
    it('keeps directives out of the comments of the first instruction', () => {
      expect(parse('# syntax=a\n# about it\nFROM a AS it').stages[0]!.from.docComment).toEqual(['about it']);
    });
    it('reads values of a line that ends with CR LF', () => {
      expect(parse('# escape=`\r\nFROM a\r\n').directives.escape).toBe('`');
    });
  });

  describe('lines', () => {
    it.each(['', '# only\n# comments\n', '\n \n'])('refuses a file without instructions: %j', (text) => {
      expect(failure(text).error.code).toBe('DOCKERFILE_SYNTAX');
    });
    it('drops a comment line inside a continuation and keeps the blanks of the next line', () => {
      expect(instruction('RUN echo a \\\n# no\n  b', 'run').form).toEqual({ kind: 'shell', script: 'echo a   b' });
    });
    it('continues a line whose escape character has blanks behind it', () => {
      expect(instruction('RUN a \\ \t\nb', 'run').form).toEqual({ kind: 'shell', script: 'a b' });
    });
    it('does not continue a line that ends with two escape characters', () => {
      expect(instruction('RUN a \\\\', 'run').form).toEqual({ kind: 'shell', script: 'a \\\\' });
      expect(failure(inStage('RUN a \\\\\nb')).marked).toBe('b');
    });
    it('warns of a blank line inside a continuation', () => {
      const { warnings } = parse('FROM a\nRUN b \\\n\n  c\n');
      expect(warnings.map(({ rule, range }) => [rule, range.start.line, range.end.line])).toEqual([
        ['NoEmptyContinuation', 2, 4],
      ]);
    });
    it('does not warn of the end of the file behind a continuation', () => {
      expect(parse('FROM a\nRUN b \\\n').warnings).toEqual([]);
    });
    it('reads CR LF as a line end', () => {
      expect(instruction('RUN a \\\r\n  b\r\n', 'run').form).toEqual({ kind: 'shell', script: 'a   b' });
    });
    it('takes lines far beyond 64 KiB, in linear time', () => {
      const script = 'x'.repeat(3_000_000);
      const start = performance.now();
      expect(instruction(`RUN ${script}`, 'run').form).toEqual({ kind: 'shell', script });
      parse(inStage(`ENV ${'a=b '.repeat(300_000)}`));
      parse(inStage(`RUN a${' \\\n b'.repeat(200_000)}`));
      expect(performance.now() - start).toBeLessThan(10_000);
    });
    it('takes the backtick as escape character of continuations and words', () => {
      const { stages } = parse('# escape=`\nFROM a\nENV a=b` c `\n d=C:\\');
      expect(stages[0]!.instructions[0]).toMatchObject({
        pairs: [
          { key: 'a', value: 'b` c' },
          { key: 'd', value: 'C:\\' },
        ],
      });
    });
    it('does not take # inside a line as a comment', () => {
      expect(instruction('RUN echo # a', 'run').form).toEqual({ kind: 'shell', script: 'echo # a' });
    });
  });

  describe('words and ranges', () => {
    it('reads instruction words in any case', () => {
      expect(parse('from a\nrUn b').stages[0]!.instructions[0]!.kind).toBe('run');
    });
    it('gives each word its exact place, also behind a continuation', () => {
      const { words, range, text } = instruction('COPY --from=x \\\n  # why\n  a "b" /c/', 'copy');
      expect(text).toBe('COPY --from=x   a "b" /c/');
      expect(range).toEqual({ start: { line: 2, column: 1 }, end: { line: 4, column: 12 } });
      expect(words.map((word) => [word.role, word.text, word.range.start.line, word.range.start.column])).toEqual([
        ['keyword', 'COPY', 2, 1],
        ['flag', '--from=x', 2, 6],
        ['argument', 'a', 4, 3],
        ['argument', '"b"', 4, 5],
        ['argument', '/c/', 4, 9],
      ]);
    });
    it('names the nearest instruction for a typo and points at it', () => {
      const { error, marked } = failure(inStage('COPPY a b'));
      expect(error.code).toBe('DOCKERFILE_SYNTAX');
      expect(error.hint).toContain('COPY');
      expect(marked).toBe('COPPY');
    });
    it('keeps the comment lines directly above an instruction', () => {
      const { stages } = parse('# far\n\n# base is small\n# second\nFROM a AS base\n#\nRUN b');
      expect(stages[0]!.from.docComment).toEqual(['base is small', 'second']);
      expect(stages[0]!.instructions[0]!.docComment).toBeUndefined();
    });
  });

  describe('command forms', () => {
    it('takes single quotes as shell form', () => {
      expect(instruction(`RUN ["a", 'b']`, 'run').form).toEqual({ kind: 'shell', script: `["a", 'b']` });
    });
    it('refuses a JSON form that holds anything but strings', () => {
      expect(failure(inStage('CMD ["a", 1]')).marked).toBe('["a", 1]');
      expect(failure(inStage('CMD [["a"]]')).error.code).toBe('DOCKERFILE_SYNTAX');
    });
    it('takes an empty list as a command that resets', () => {
      expect(instruction('CMD []', 'cmd').form).toEqual({ kind: 'exec', args: [] });
      expect(instruction('ENTRYPOINT []', 'entrypoint').form).toEqual({ kind: 'exec', args: [] });
    });
    it('reads escapes of JSON strings', () => {
      expect(instruction('CMD ["\\u00e9\\n", "\\"]"]', 'cmd').form).toEqual({ kind: 'exec', args: ['é\n', '"]'] });
    });
    it('refuses SHELL without JSON form', () => {
      expect(failure(inStage('SHELL /bin/bash -c')).marked).toBe('/bin/bash -c');
      expect(failure(inStage('SHELL []')).error.code).toBe('DOCKERFILE_SYNTAX');
    });
  });

  describe('flags', () => {
    it('refuses a flag that is given twice', () => {
      expect(failure(inStage('COPY --from=a --from=b x y')).marked).toBe('--from=b');
    });
    it('takes --mount and --exclude several times', () => {
      expect(instruction('RUN --mount=type=tmpfs,target=/a --mount=type=tmpfs,target=/b x', 'run').mounts).toHaveLength(
        2,
      );
      expect(instruction('COPY --exclude=*.md --exclude=b a /', 'copy').exclude).toEqual(['*.md', 'b']);
    });
    it('names the nearest flag for a typo, and compares flags with their case', () => {
      expect(failure(inStage('COPY --form=a x y')).error.hint).toContain('--from');
      expect(failure(inStage('COPY --Link x y')).error.hint).toContain('--link');
    });
    it('takes words behind -- as arguments', () => {
      expect(instruction('COPY -- --link /x', 'copy')).toMatchObject({
        sources: ['--link'],
        destination: '/x',
        link: false,
      });
    });
    it.each([
      ['--link', true],
      ['--link=TRUE', true],
      ['--link=false', false],
    ])('reads the boolean %s', (flag, value) => {
      expect(instruction(`COPY ${flag} a b`, 'copy').link).toBe(value);
    });
    it.each(['--link=', '--link=1', '--chown'])('refuses %s', (flag) => {
      expect(failure(inStage(`COPY ${flag} a b`)).marked).toBe(flag);
    });
    it('takes flags only before the first other word', () => {
      expect(instruction('RUN --network=none echo', 'run')).toMatchObject({
        network: 'none',
        form: { script: 'echo' },
      });
      const after = instruction('RUN echo --network=none', 'run');
      expect(after.form).toEqual({ kind: 'shell', script: 'echo --network=none' });
      expect(after.network).toBeUndefined();
    });
    it('removes quotes and escapes of a flag and keeps its text beyond ASCII', () => {
      expect(instruction('COPY --chown="é b":c\\ d x y', 'copy').chown).toBe('é b:c d');
    });
    it('refuses flags where none are known, also on ARG and STOPSIGNAL', () => {
      expect(failure(inStage('ARG --x a')).marked).toBe('--x');
      expect(failure(inStage('STOPSIGNAL --x 9')).marked).toBe('--x');
    });
    it('tells whether keep-git-dir and unpack were given', () => {
      expect(instruction('ADD --unpack=false a b', 'add')).toMatchObject({ unpack: false });
      expect(instruction('ADD a b', 'add')).not.toHaveProperty('keepGitDir');
    });
    it('refuses unknown network and security modes', () => {
      expect(failure(inStage('RUN --network=nome x')).error.hint).toContain('none');
      expect(failure(inStage('RUN --security=foo x')).marked).toBe('--security=foo');
    });
    it('refuses a variable in COPY --from and in the from of a mount', () => {
      expect(failure(inStage('COPY --from=$S a b')).marked).toBe('--from=$S');
      expect(failure(inStage('RUN --mount=type=bind,from=$S,target=/x a')).error.code).toBe('DOCKERFILE_INVALID');
      expect(instruction('RUN --mount=type=$T,target=$P a', 'run').mounts).toEqual(['type=$T,target=$P']);
    });
  });

  describe('FROM', () => {
    it('refuses two words', () => {
      expect(failure('FROM a b').marked).toBe('b');
    });
    it('names the stage in lower case and keeps the written name', () => {
      const [stage] = parse('FROM a as B').stages;
      expect(stage).toMatchObject({ name: 'b', from: { as: 'B', image: 'a' } });
    });
    it('refuses a stage name that begins with a digit', () => {
      expect(failure('FROM a AS 1b').marked).toBe('1b');
    });
    it('refuses anything but ARG before the first FROM', () => {
      expect(failure('RUN a\nFROM b').marked).toBe('RUN');
      expect(parse('ARG V=1\nFROM a:$V').globalArgs[0]!.args).toEqual([{ name: 'V', value: '1' }]);
    });
    it('refuses a file without FROM', () => {
      expect(failure('ARG a').error.message).toContain('no FROM');
    });
  });

  describe('ENV, LABEL and ARG', () => {
    it('takes a first word without = as the old form', () => {
      expect(instruction('ENV a b=c', 'env').pairs).toEqual([{ key: 'a', value: 'b=c', legacy: true }]);
    });
    it('refuses a later word without =', () => {
      expect(failure(inStage('ENV a=1 b')).marked).toBe('b');
    });
    it('keeps escapes and quotes for the expansion', () => {
      expect(instruction(`ENV a=b\\ c d="x y" e='$z'`, 'env').pairs).toMatchObject([
        { key: 'a', value: 'b\\ c' },
        { key: 'd', value: '"x y"' },
        { key: 'e', value: `'$z'` },
      ]);
    });
    it('joins lines inside quotes and keeps the blanks of the next line', () => {
      expect(instruction('LABEL "k k"="v \\\n v2"', 'label').pairs).toEqual([
        { key: '"k k"', value: '"v  v2"', legacy: false },
      ]);
    });
    it('takes several arguments on one line', () => {
      expect(instruction('ARG A=1 B C=3', 'arg').args).toEqual([
        { name: 'A', value: '1' },
        { name: 'B' },
        { name: 'C', value: '3' },
      ]);
    });
    it('tells an empty default from none', () => {
      expect(instruction('ARG A=', 'arg').args).toEqual([{ name: 'A', value: '' }]);
    });
  });

  describe('HEALTHCHECK', () => {
    it('takes 0 as inherit and refuses less than a millisecond', () => {
      expect(instruction('HEALTHCHECK --interval=0s CMD x', 'healthcheck').intervalNs).toBe(0);
      expect(failure(inStage('HEALTHCHECK --interval=1us CMD x')).marked).toBe('--interval=1us');
    });
    it('refuses negative retries and arguments behind NONE', () => {
      expect(failure(inStage('HEALTHCHECK --retries=-1 CMD x')).marked).toBe('--retries=-1');
      expect(failure(inStage('HEALTHCHECK NONE x')).marked).toBe('x');
    });
    it('takes flags behind CMD as part of the command', () => {
      const parsed = instruction('HEALTHCHECK CMD --interval=5s x', 'healthcheck');
      expect(parsed.form).toEqual({ kind: 'shell', script: '--interval=5s x' });
      expect(parsed.intervalNs).toBeUndefined();
    });
    it('tells the shell form, the JSON form and NONE apart', () => {
      expect(instruction('HEALTHCHECK CMD a b', 'healthcheck').form).toEqual({ kind: 'shell', script: 'a b' });
      expect(instruction('HEALTHCHECK CMD ["a"]', 'healthcheck').form).toEqual({ kind: 'exec', args: ['a'] });
      expect(instruction('HEALTHCHECK NONE', 'healthcheck').form).toBeUndefined();
    });
  });

  describe('VOLUME, WORKDIR and USER', () => {
    it('refuses an empty volume', () => {
      expect(failure(inStage('VOLUME [""]')).marked).toBe('""');
    });
    it('takes the rest of the line as one word', () => {
      expect(instruction('WORKDIR /a b', 'workdir').path).toBe('/a b');
      expect(instruction('USER a b', 'user').user).toBe('a b');
    });
  });

  describe('ONBUILD', () => {
    it.each(['FROM x', 'ONBUILD RUN y', 'MAINTAINER z'])('refuses %s', (trigger) => {
      expect(failure(inStage(`ONBUILD ${trigger}`)).marked).toBe(trigger.split(' ')[0]);
    });
    it('refuses a trigger that no child could run', () => {
      expect(failure(inStage('ONBUILD COPY a')).marked).toBe('COPY a');
      expect(failure(inStage('ONBUILD  RUNN x')).marked).toBe('RUNN');
    });
    it('keeps the heredoc bodies in the trigger, which parses alone', () => {
      const { trigger } = instruction('onbuild COPY <<-A <<B /d/\n\tx\n\tA\ny\nB', 'onbuild');
      expect(trigger).toBe('COPY <<-A <<B /d/\n\tx\nA\ny\nB');
      expect(parseInstruction(trigger, { fileName: 'base' })).toMatchObject({
        kind: 'copy',
        sources: [{ body: 'x\n' }, { body: 'y\n' }],
      });
    });
  });

  describe('heredocs', () => {
    it('takes several as sources of COPY, named by their delimiters', () => {
      const { sources, destination, range } = instruction('COPY <<a.txt f <<b.txt /d/\n1\na.txt\n2\nb.txt', 'copy');
      expect(destination).toBe('/d/');
      expect(sources).toMatchObject([
        { name: 'a.txt', body: '1\n', expand: true },
        'f',
        { name: 'b.txt', body: '2\n' },
      ]);
      expect(range.end).toEqual({ line: 6, column: 6 });
    });
    it.each(['<<"EOF"', "<<'EOF'", "<<E'O'F"])('takes the body of %s as literal', (head) => {
      expect(instruction(`COPY ${head} /d\n$x \\$y\nEOF`, 'copy').sources).toMatchObject([
        { name: 'EOF', expand: false, body: '$x \\$y\n' },
      ]);
    });
    it('strips leading tabs of body and terminator for <<-, not blanks, and keeps the body as written too', () => {
      expect(instruction('RUN <<-E\n\t\ta\n \tb\n\tE', 'run').heredocs).toMatchObject([
        { chomp: true, body: 'a\n \tb\n', rawBody: '\t\ta\n \tb\n' },
      ]);
    });
    it('gives both bodies to one command', () => {
      const { heredocs, form } = instruction('RUN <<E1 cat && 3<<E2 cat\na\nE1\nb\nE2', 'run');
      expect(form).toEqual({ kind: 'shell', script: '<<E1 cat && 3<<E2 cat' });
      expect(heredocs).toMatchObject([
        { body: 'a\n', fd: 0 },
        { body: 'b\n', fd: 3 },
      ]);
    });
    it('keeps comments, directives and CR LF in a body', () => {
      expect(instruction('RUN <<E\n#!/bin/sh\r\n# c\n\\\nE', 'run').heredocs[0]!.body).toBe('#!/bin/sh\r\n# c\n\\\n');
    });
    it('finds none in quotes, in the JSON form and in other instructions', () => {
      expect(instruction('RUN echo "<<E"', 'run').heredocs).toEqual([]);
      expect(instruction('RUN ["<<E"]', 'run').heredocs).toEqual([]);
      expect(instruction('USER <<E', 'user').user).toBe('<<E');
    });
    it('refuses one that never ends and points at its head', () => {
      const { error, marked } = failure(inStage('RUN <<EOF\necho\n EOF\n'));
      expect(error.message).toContain('never ends');
      expect(marked).toBe('<<EOF');
      expect(failure(inStage('COPY <<A <<B /\na\nA\nb\n')).marked).toBe('<<B');
    });
    it('refuses one as destination', () => {
      expect(failure(inStage('COPY src <<EOF\nx\nEOF')).marked).toBe('<<EOF');
    });
  });
});

describe('parseInstruction()', () => {
  it('refuses more than one instruction', () => {
    expect(() => parseInstruction('RUN a\nRUN b', { fileName: 'base' })).toThrow(/second/);
  });
  it.each(['FROM a', 'onbuild RUN b', 'MAINTAINER c'])('refuses %s', (text) => {
    expect(() => parseInstruction(text, { fileName: 'base' })).toThrow(
      expect.objectContaining({ code: 'DOCKERFILE_SYNTAX' }),
    );
  });
});
