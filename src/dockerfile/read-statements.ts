import { BuildError } from '../core/index.ts';
import { skipSpace, trimEndIndex, trimSpace } from './characters.ts';
import { findHeredocs, type HeredocHead, parseHeredocHead, stripLeadingTabs } from './heredoc.ts';
import { parseJsonForm } from './json-form.ts';
import { joinPieces, type LogicalLine, offsetsOf, type Word } from './logical-line.ts';
import { lineAt, locationBetween, rangeBetween, type SourceText } from './source-text.ts';
import { type Statement, type StatementParts, splitStatement } from './statement.ts';
import type { Heredoc, ParseWarning } from './types.ts';
import { splitAtBlanks } from './words.ts';

export interface StatementList {
  readonly statements: readonly Statement[];
  readonly warnings: readonly ParseWarning[];
}

export interface ReadOptions {
  readonly escape: '\\' | '`';
  /** Lines (0-based) that hold directives: they are no comments. */
  readonly directiveLines: ReadonlySet<number>;
}

/** A line of the file, without its end. */
interface PhysicalLine {
  readonly start: number;
  readonly end: number;
}

/** A logical line with where it lies in the file. */
interface ReadLine {
  readonly line: LogicalLine;
  readonly start: number;
  readonly end: number;
  readonly nextLine: number;
  /** Whether a blank line stood between continued lines. */
  readonly hasBlankLine: boolean;
}

/**
 * Splits a file into its instructions: comments dropped, continuations joined, heredoc bodies attached. One pass.
 *
 * @throws BuildError `DOCKERFILE_SYNTAX` for a heredoc that never ends or whose delimiter has open quotes.
 */
export function readStatements(source: SourceText, options: ReadOptions): StatementList {
  const statements: Statement[] = [];
  const warnings: ParseWarning[] = [];
  let comments: string[] = [];
  for (let index = 0; index < source.lineStarts.length; ) {
    const physical = physicalLine(source, index);
    const start = skipSpace(source.text, physical.start, physical.end);
    if (start === physical.end) {
      comments = [];
      index++;
      continue;
    }
    if (source.text[start] === '#') {
      const comment = trimSpace(source.text.slice(start + 1, physical.end));
      if (comment === '') comments = [];
      else if (!options.directiveLines.has(index)) comments.push(comment);
      index++;
      continue;
    }
    const read = readLogicalLine(source, { index, start }, options.escape);
    if (read.hasBlankLine) warnings.push(blankLineWarning(source, read));
    const parts = splitStatement(read.line.text, options.escape);
    const heads = takesHeredocs(parts, read.line, options.escape) ? headsOf(source, read) : [];
    const bodies = readHeredocs(source, { read, heads });
    statements.push({
      source,
      line: read.line,
      escape: options.escape,
      start: read.start,
      end: bodies.end,
      ...parts,
      heredocs: bodies.heredocs,
      docComment: comments,
    });
    comments = [];
    index = bodies.nextLine;
  }
  return { statements, warnings };
}

function physicalLine({ text, lineStarts }: SourceText, index: number): PhysicalLine {
  const start = lineStarts[index]!;
  let end = lineStarts[index + 1] ?? text.length;
  while (end > start && (text[end - 1] === '\n' || text[end - 1] === '\r')) end--;
  return { start, end };
}

function readLogicalLine(
  source: SourceText,
  { index, start }: { readonly index: number; readonly start: number },
  escapeChar: string,
): ReadLine {
  const stretches: PhysicalLine[] = [];
  let hasBlankLine = false;
  let end = start;
  let next = index;
  for (; next < source.lineStarts.length; next++) {
    const physical = physicalLine(source, next);
    const from = next === index ? start : physical.start;
    const content = skipSpace(source.text, from, physical.end);
    if (next !== index) {
      if (source.text[content] === '#' && content < physical.end) continue;
      if (content === physical.end) {
        hasBlankLine ||= next < source.lineStarts.length - 1 || physical.end > physical.start;
        continue;
      }
    }
    const continued = continuationIndex(source.text, { start: from, end: physical.end }, escapeChar);
    stretches.push({ start: from, end: continued ?? physical.end });
    end = trimEndIndex(source.text, from, physical.end);
    if (continued === undefined) {
      next++;
      break;
    }
  }
  return { line: joinPieces(source, stretches), start, end, nextLine: next, hasBlankLine };
}

/** Where the escape character stands that continues a line; undefined when the line is not continued. */
function continuationIndex(text: string, { start, end }: PhysicalLine, escapeChar: string): number | undefined {
  let at = end - 1;
  while (at >= start && (text[at] === ' ' || text[at] === '\t')) at--;
  if (at < start || text[at] !== escapeChar) return undefined;
  return at > start && text[at - 1] === escapeChar ? undefined : at;
}

function blankLineWarning(source: SourceText, read: ReadLine): ParseWarning {
  return {
    rule: 'NoEmptyContinuation',
    message: 'A blank line stands inside a continued instruction. Later versions of the language may refuse it.',
    range: rangeBetween(source, read.start, read.end),
  };
}

const HEREDOC_KEYWORDS: ReadonlySet<string> = new Set(['run', 'copy', 'add']);

function takesHeredocs(parts: StatementParts, line: LogicalLine, escapeChar: string): boolean {
  if (!line.text.includes('<<')) return false;
  const keyword = parts.keyword.text.toLowerCase();
  const { keyword: inner, rest } =
    keyword === 'onbuild' ? splitStatement(line.text, escapeChar, parts.rest.start) : parts;
  return HEREDOC_KEYWORDS.has(inner.text.toLowerCase()) && parseJsonForm(rest).kind !== 'words';
}

function headsOf(source: SourceText, read: ReadLine): readonly HeredocHead[] {
  try {
    return findHeredocs(read.line.text);
  } catch (cause) {
    throw new BuildError('DOCKERFILE_SYNTAX', 'The delimiter of a heredoc has a quote that is never closed.', {
      hint: 'Quote the whole word, as in <<"EOF", or none of it.',
      location: locationBetween(source, read.start, read.end),
      cause,
    });
  }
}

interface HeredocBodies {
  readonly heredocs: readonly Heredoc[];
  readonly end: number;
  readonly nextLine: number;
}

function readHeredocs(
  source: SourceText,
  { read, heads }: { readonly read: ReadLine; readonly heads: readonly HeredocHead[] },
): HeredocBodies {
  let { end, nextLine } = read;
  const heredocs = heads.map((head): Heredoc => {
    const first = nextLine;
    const last = terminatorLine(source, first, head);
    if (last === undefined) throw unterminated(source, { read, head });
    const rawBody = source.text.slice(source.lineStarts[first], source.lineStarts[last]);
    nextLine = last + 1;
    end = physicalLine(source, last).end;
    return { ...head, rawBody, body: head.chomp ? stripLeadingTabs(rawBody) : rawBody };
  });
  return { heredocs, end, nextLine };
}

function terminatorLine(source: SourceText, first: number, head: HeredocHead): number | undefined {
  for (let index = first; index < source.lineStarts.length; index++) {
    let { start, end } = physicalLine(source, index);
    if (head.chomp) while (start < end && source.text[start] === '\t') start++;
    if (end - start === head.name.length && source.text.startsWith(head.name, start)) return index;
  }
  return undefined;
}

function unterminated(
  source: SourceText,
  { read, head }: { readonly read: ReadLine; readonly head: HeredocHead },
): BuildError {
  const { start, end } = offsetsOf(read.line, headWord(read.line.text, head));
  const line = lineAt(source, start) + 1;
  return new BuildError('DOCKERFILE_SYNTAX', `The heredoc "${head.name}" of line ${line} never ends.`, {
    hint: `Close it with a line that holds only ${head.name}${head.chomp ? ' (tabs before it are fine)' : ', without blanks before or behind it'}.`,
    location: locationBetween(source, start, end),
  });
}

/** The word of a line that is the head; the line itself where blanks or quotes keep it from being one word. */
function headWord(line: string, head: HeredocHead): Word {
  const whole = { text: line, start: 0, end: line.length };
  return splitAtBlanks(line, whole).find(({ text }) => nameOfHead(text) === head.name) ?? whole;
}

function nameOfHead(word: string): string | undefined {
  try {
    return parseHeredocHead(word)?.name;
  } catch {
    return undefined;
  }
}
