import { expect } from 'vitest';
import { readDirectives } from '../../src/dockerfile/directives.ts';
import { findHeredocs, type HeredocHead, parseHeredocHead, stripLeadingTabs } from '../../src/dockerfile/heredoc.ts';
import { type Dockerfile, parseDockerfile } from '../../src/dockerfile/index.ts';
import { parseJsonForm } from '../../src/dockerfile/json-form.ts';
import { readStatements } from '../../src/dockerfile/read-statements.ts';
import { createSourceText } from '../../src/dockerfile/source-text.ts';
import { splitStatement } from '../../src/dockerfile/statement.ts';
import { splitQuoted, trimmedWord } from '../../src/dockerfile/words.ts';
import { type ConformanceCase, describeDataSet } from './data-set.ts';
import { dumpInstruction, dumpLine, instructionsOf } from './dump-tree.ts';

interface HeredocFacts {
  readonly name: string;
  readonly content?: string;
  readonly chomp?: boolean;
  readonly expand?: boolean;
  readonly fileDescriptor?: number;
}

interface ParserCase extends ConformanceCase {
  readonly dockerfile: string;
  readonly input: string;
  readonly escapeToken: '\\' | '`';
  readonly expectDump: string;
  readonly expectWords: readonly string[];
  readonly expectStrings: readonly string[];
  readonly expectTokens: readonly string[];
  readonly expectNames: readonly string[];
  readonly expectNodes: ReadonlyArray<readonly HeredocFacts[]>;
  readonly expectRoot: readonly [number, number];
  readonly expectChildren: ReadonlyArray<readonly [number, number]>;
  readonly expectWarnings: readonly unknown[];
  readonly expectDirectives: ReadonlyArray<{ readonly name: string; readonly value: string }>;
  readonly expect: unknown;
  readonly error?: boolean;
  readonly instruction: string;
  readonly repeat?: { readonly placeholder: string; readonly text: string; readonly count: number };
  readonly key: string;
  readonly observed?: {
    readonly lines?: ReadonlyArray<readonly [number, number]>;
    readonly escapeToken?: string;
    readonly emptyContinuationWarnings?: number;
    readonly warnings?: ReadonlyArray<{ readonly line: number }>;
    readonly heredocs?: readonly HeredocFacts[];
    readonly chomp?: boolean;
    readonly expand?: boolean;
    readonly fileDescriptor?: number;
  };
}

/** Some of the reference's files have no FROM, which its lower parser does not ask for: one is put in front of them. */
function parseWithStage(text: string): { readonly dockerfile: Dockerfile; readonly addedLines: number } {
  const hasFrom = /^\s*from\b/im.test(text);
  const dockerfile = parseDockerfile(hasFrom ? text : `FROM scratch\n${text}`, { fileName: 'Dockerfile' });
  return { dockerfile, addedLines: hasFrom ? 0 : 1 };
}

/** Holds instructions that our parser refuses as a whole; its words are compared, an instruction at a time. */
const REFUSED_FILES: ReadonlySet<string> = new Set(['ast/flags', 'ast/health']);

function checkAst(testCase: ParserCase): void {
  if (REFUSED_FILES.has(testCase.id)) {
    const source = createSourceText('Dockerfile', testCase.dockerfile);
    const { statements } = readStatements(source, { escape: '\\', directiveLines: new Set() });
    expect(statements.map(({ line }) => dumpLine(line.text))).toEqual(testCase.expectDump.trimEnd().split('\n'));
    return;
  }
  const { dockerfile, addedLines } = parseWithStage(testCase.dockerfile);
  const instructions = instructionsOf(dockerfile).slice(addedLines);
  expect(`${instructions.map(dumpInstruction).join('\n')}\n`).toBe(testCase.expectDump);
  const lines = instructions.map(({ range }) => [range.start.line - addedLines, range.end.line - addedLines]);
  expect(lines).toEqual(testCase.observed!.lines);
  expect(dockerfile.warnings).toHaveLength(testCase.observed!.emptyContinuationWarnings ?? 0);
  expect(dockerfile.directives.escape).toBe(testCase.observed!.escapeToken ?? '\\');
}

function checkLineNumbers({ dockerfile, expectRoot, expectChildren }: ParserCase): void {
  const instructions = instructionsOf(parseDockerfile(dockerfile, { fileName: 'Dockerfile' }));
  const lines = instructions.map(({ range }) => [range.start.line, range.end.line]);
  expect(lines).toEqual(expectChildren);
  expect([lines[0]![0], lines.at(-1)![1]]).toEqual(expectRoot);
}

function checkWarnings({ dockerfile, expectWarnings, observed }: ParserCase): void {
  const { warnings } = parseDockerfile(dockerfile, { fileName: 'Dockerfile' });
  expect(warnings).toHaveLength(expectWarnings.length);
  expect(warnings.map(({ rule }) => rule)).toEqual(expectWarnings.map(() => 'NoEmptyContinuation'));
  if (observed?.warnings)
    expect(warnings.map(({ range }) => range.end.line)).toEqual(observed.warnings.map(({ line }) => line));
}

function checkParseError({ dockerfile, repeat }: ParserCase): void {
  const text =
    repeat === undefined ? dockerfile : dockerfile.replace(repeat.placeholder, repeat.text.repeat(repeat.count));
  expect(() => parseDockerfile(text, { fileName: 'Dockerfile' })).toThrow(
    expect.objectContaining({ location: expect.anything() }),
  );
}

function checkNameValue({ instruction, input, expectTokens, error }: ParserCase): void {
  const parse = () => parseDockerfile(`FROM scratch\n${instruction} ${input}`, { fileName: 'Dockerfile' });
  if (error) {
    expect(parse).toThrow(expect.objectContaining({ code: 'DOCKERFILE_SYNTAX' }));
    return;
  }
  const [parsed] = parse().stages[0]!.instructions;
  if (parsed?.kind !== 'label' && parsed?.kind !== 'env') throw new Error('no pairs');
  expect(parsed.pairs.flatMap(({ key, value, legacy }) => [key, value, legacy ? '' : '='])).toEqual(expectTokens);
}

function checkJsonArray({ input, expectStrings, error }: ParserCase): void {
  const json = parseJsonForm(trimmedWord(input));
  if (error) expect(json.kind).not.toBe('words');
  else expect(json).toMatchObject({ kind: 'words', words: expectStrings.map((text) => ({ text })) });
}

interface ExpectedDirective {
  readonly found: boolean;
  readonly ref?: string;
  readonly cmdline?: string;
  readonly value?: string;
  readonly full?: string;
  readonly line?: number;
}

function checkDirective({ dockerfile, kind, key, expect: wanted }: ParserCase): void {
  const { directives } = readDirectives(createSourceText('Dockerfile', dockerfile));
  const expected = wanted as ExpectedDirective;
  const directive = kind === 'detect-syntax' ? directives.syntax : directives[key as 'syntax' | 'check'];
  expect(directive !== undefined).toBe(expected.found);
  if (directive === undefined) return;
  const first = expected.ref ?? expected.value;
  expect(directive.value.split(' ')[0]).toBe(first);
  expect(directive.value).toBe(expected.cmdline ?? expected.full ?? first);
  if (expected.line !== undefined) expect(directive.range.start.line).toBe(expected.line);
}

function factsOf(head: HeredocHead): HeredocFacts {
  return { name: head.name, chomp: head.chomp, expand: head.expand, fileDescriptor: head.fd };
}

function checkHeredocNodes({ dockerfile, expectNodes }: ParserCase): void {
  const source = createSourceText('Dockerfile', dockerfile);
  const { statements } = readStatements(source, { escape: '\\', directiveLines: new Set() });
  for (const [i, expected] of expectNodes.entries()) {
    const found = statements[i + 1]!.heredocs.map((heredoc) => ({ ...factsOf(heredoc), content: heredoc.rawBody }));
    expect(found).toEqual(expected.map((facts) => expect.objectContaining(toRecord(facts))));
    expect(found).toHaveLength(expected.length);
  }
}

function toRecord(facts: HeredocFacts): Record<string, unknown> {
  return { ...facts };
}

function checkHeredocWord({ input, expect: wanted, observed, error }: ParserCase): void {
  if (error) {
    expect(() => parseHeredocHead(input)).toThrow(expect.objectContaining({ code: 'DOCKERFILE_EXPANSION' }));
    return;
  }
  const head = parseHeredocHead(input);
  if (wanted === null) expect(head).toBeUndefined();
  else expect(head === undefined ? undefined : factsOf(head)).toEqual({ ...(wanted as HeredocFacts), ...observed });
}

function checkHeredocLine({ input, expectNames, observed }: ParserCase): void {
  const heads = findHeredocs(input);
  expect(heads.map(({ name }) => name)).toEqual(expectNames);
  if (observed?.heredocs !== undefined) expect(heads.map(factsOf)).toEqual(observed.heredocs);
}

function checkSplitCommand({ input, escapeToken, expect: wanted }: ParserCase): void {
  const { keyword, flags, rest } = splitStatement(input, escapeToken);
  expect({ command: keyword.text, flags: flags.map(({ text }) => text), args: rest.text }).toEqual(wanted);
}

const CHECKS: Readonly<Record<string, (testCase: ParserCase) => void>> = {
  ast: checkAst,
  'parse-error': checkParseError,
  'line-numbers': checkLineNumbers,
  warnings: checkWarnings,
  words: ({ input, expectWords }) => {
    const words = splitQuoted(input, trimmedWord(input), '\\');
    expect(words.map(({ text }) => text)).toEqual(expectWords);
  },
  'name-value': checkNameValue,
  'json-array': checkJsonArray,
  directives: ({ dockerfile, expectDirectives }) => {
    const { directives, lines } = readDirectives(createSourceText('Dockerfile', dockerfile));
    expect([{ name: 'escape', value: directives.escape }]).toEqual(expectDirectives);
    expect(lines.size).toBe(expectDirectives.length);
  },
  'detect-syntax': checkDirective,
  'parse-directive': checkDirective,
  'heredoc-nodes': checkHeredocNodes,
  'heredoc-chomp': ({ input, expect: wanted }) => expect(stripLeadingTabs(input)).toBe(wanted),
  'heredoc-word': checkHeredocWord,
  'heredoc-line': checkHeredocLine,
  'split-command': checkSplitCommand,
};

describeDataSet<ParserCase>({
  name: 'dockerfile-parser',
  counts: {
    ast: 33,
    'parse-error': 5,
    'line-numbers': 1,
    warnings: 1,
    words: 8,
    'name-value': 3,
    'json-array': 16,
    directives: 2,
    'detect-syntax': 10,
    'parse-directive': 5,
    'heredoc-nodes': 2,
    'heredoc-chomp': 1,
    'heredoc-word': 20,
    'heredoc-line': 10,
    'split-command': 39,
  },
  check: (testCase) => CHECKS[testCase.kind]!(testCase),
});
