import { type ExpansionMode, lexExpansion } from './expansion-lexer.ts';
import type { Heredoc } from './types.ts';

/** The head of a heredoc: `<<EOF`, `3<<-'EOF'`. */
export type HeredocHead = Omit<Heredoc, 'body' | 'rawBody'>;

const HEAD = /^(\d*)<<(-?)[\t\n\f\r ]*([^<]*)$/;

// Delimiters always use the backslash, and variables in them stay as written.
const DELIMITER: ExpansionMode = {
  escape: '\\',
  lookup: () => undefined,
  quotes: true,
  keepQuotes: false,
  keepEscapes: false,
  keepUnset: true,
};

/**
 * Reads one word as the head of a heredoc; undefined when it is none. A delimiter with a quote in it makes the body literal.
 *
 * @throws BuildError `DOCKERFILE_EXPANSION` when the delimiter's quotes are not closed.
 */
export function parseHeredocHead(word: string): HeredocHead | undefined {
  const match = HEAD.exec(word);
  const delimiter = match?.[3];
  if (match === null || delimiter === undefined || delimiter === '') return undefined;
  const { words } = lexExpansion(delimiter, DELIMITER);
  const [name] = words;
  if (words.length !== 1 || name === undefined) return undefined;
  const [quoted = ''] = lexExpansion(delimiter, { ...DELIMITER, keepQuotes: true }).words;
  return {
    name,
    expand: countQuotes(name) === countQuotes(quoted),
    chomp: match[2] === '-',
    fd: Number(match[1]),
  };
}

function countQuotes(text: string): number {
  return text.split(/['"]/).length - 1;
}

/** The heads in a logical line, in order. A line whose quotes are not closed has none. */
export function findHeredocs(line: string): readonly HeredocHead[] {
  if (!line.includes('<<')) return [];
  return wordsOf(line)
    .map(parseHeredocHead)
    .filter((head) => head !== undefined);
}

function wordsOf(line: string): readonly string[] {
  try {
    return lexExpansion(line, { ...DELIMITER, keepQuotes: true, keepEscapes: true }).words;
  } catch {
    return [];
  }
}

/** The body without the tabs at the start of its lines. */
export function stripLeadingTabs(body: string): string {
  return body.replace(/^\t+/gm, '');
}
