import { isBuildError, type SourceLocation } from '../../src/core/index.ts';
import { naiveIgnored } from '../../src/dockerfile/ignore/naive-ignore.test-support.ts';
import {
  createIgnoreMatcher,
  type Dockerfile,
  expandHeredocBody,
  expandWord,
  expandWords,
  formatDockerfile,
  lintDockerfile,
  parseDockerfile,
  parseIgnoreFile,
  toIgnoreRules,
} from '../../src/dockerfile/index.ts';
import { naiveExpand } from '../../src/dockerfile/naive-expansion.test-support.ts';
import { DOCKERFILES, IGNORE_FILES, TOKENS, WORDS } from './corpus.ts';

/** Something that takes any text. */
export interface Target {
  readonly name: string;
  readonly corpus: readonly string[];
  readonly tokens: readonly string[];
  /** Throws for what should not be: a crash, an error without a place, an answer that a second opinion does not share. */
  check(text: string): void;
}

/** What the fuzzing is about. */
export const TARGETS: readonly Target[] = [
  { name: 'parser', corpus: DOCKERFILES, tokens: TOKENS.dockerfile, check: checkParser },
  { name: 'expansion', corpus: WORDS, tokens: TOKENS.word, check: checkExpansion },
  { name: 'ignore', corpus: IGNORE_FILES, tokens: TOKENS.ignore, check: checkIgnore },
];

/** A tree that prints, parses back and prints the same, and that the checks can read; or an error inside the file. */
function checkParser(text: string): void {
  const tree = valueOrPlace(() => parseDockerfile(text, { fileName: 'Dockerfile' }));
  if (tree === undefined) return;
  const printed = formatDockerfile(tree);
  const again = parseDockerfile(printed, { fileName: 'Dockerfile' });
  if (shapeOf(again) !== shapeOf(tree)) throw new Error('the printed file is another one');
  if (formatDockerfile(again) !== printed) throw new Error('the printed file is printed in another way');
  valueOrPlace(() => lintDockerfile(tree));
}

/** The tree without places, and without texts as written. */
function shapeOf({ stages, globalArgs }: Dockerfile): string {
  return JSON.stringify([stages, globalArgs], (key, value: unknown) =>
    key === 'range' || key === 'words' || key === 'text' ? undefined : value,
  );
}

function valueOrPlace<T>(run: () => T): T | undefined {
  try {
    return run();
  } catch (error) {
    if (!isBuildError(error)) throw error;
    if (error.location === undefined) throw new Error(`an error without a place: ${error.message}`, { cause: error });
    requireInside(error.location);
    return undefined;
  }
}

function requireInside({ range: { start, end }, text }: SourceLocation): void {
  const lines = text.split('\n');
  const isInside = ({ line, column }: typeof start): boolean =>
    line >= 1 && column >= 1 && line <= lines.length && column <= lines[line - 1]!.length + 1;
  const isOrdered = start.line < end.line || (start.line === end.line && start.column <= end.column);
  if (!isInside(start) || !isInside(end) || !isOrdered) {
    throw new Error(`an error outside of the file: ${JSON.stringify([start, end])}`);
  }
}

const VARIABLES: Readonly<Record<string, string>> = {
  v: 'foobar.tar.gz',
  empty: '',
  P: '1 2/udp',
  star: 'a*b?',
  é: 'é',
};
const lookup = (name: string): string | undefined => (Object.hasOwn(VARIABLES, name) ? VARIABLES[name] : undefined);
/** The second implementation is slow, and its regular expressions take forever for many stars. */
const MAX_WORD = 120;
const MAX_STARS = 4;

function checkExpansion(text: string): void {
  const word = text.slice(0, MAX_WORD);
  const isSimple = word.split('*').length <= MAX_STARS + 1;
  for (const escapeChar of ['\\', '`'] as const) {
    const options = { lookup, escape: escapeChar };
    const ours = outcomeOf(() => expandWord(word, options).text);
    const other = isSimple ? outcomeOf(() => naiveExpand(word, options)) : ours;
    if (ours !== other) throw new Error(`expanded to ${ours}, by the second implementation to ${other}`);
    outcomeOf(() => expandWords(word, options).words.join('\0'));
  }
  outcomeOf(() => expandHeredocBody(text, { lookup }).text);
}

function outcomeOf(run: () => string): string {
  try {
    return JSON.stringify(run());
  } catch (error) {
    if (isBuildError(error, 'DOCKERFILE_EXPANSION')) return 'an error';
    throw error;
  }
}

const PATHS = ['a', 'b', 'a/b', 'a/b/c.md', '.x', 'x/a', 'x/.x', 'é/ab', 'ab/c.md/a', 'node_modules/p/index.js'];
/** What the second matcher understands: whole components of these, nothing that has to be cleaned. */
const PLAIN_PATTERN = /^!?(?:[\w.é-]+|\*{1,2}|[?*\w.é-]*\.md|\[\^?ab\]|\*\*\w)(?:\/(?:[\w.é-]+|\*{1,2}|\?|\*\.md))*$/u;

function checkIgnore(text: string): void {
  const rules = valueOrPlace(() => {
    const parsed = parseIgnoreFile(text, { fileName: '.dockerignore' });
    return { parsed, matcher: createIgnoreMatcher(parsed) };
  });
  for (const path of PATHS) rules?.matcher.matches(path);
  const plain = text
    .split('\n')
    .filter(
      (line) =>
        PLAIN_PATTERN.test(line) && line.split('*').length <= MAX_STARS + 5 && !/(?:^!?|\/)\.{1,2}(?:\/|$)/.test(line),
    );
  const matcher = createIgnoreMatcher(toIgnoreRules(plain));
  for (const path of PATHS) {
    const [ours, other] = [matcher.matches(path), naiveIgnored(plain, path)];
    if (ours !== other)
      throw new Error(`${path} by ${JSON.stringify(plain)} is ${ours}, by the second matcher ${other}`);
  }
}
