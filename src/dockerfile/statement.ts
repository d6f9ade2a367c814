import { BuildError, type ErrorCode, type SourceRange } from '../core/index.ts';
import { isBlank, skipSpace, trimEndIndex } from './characters.ts';
import { type LogicalLine, offsetsOf, type Word } from './logical-line.ts';
import { locationBetween, rangeBetween, type SourceText } from './source-text.ts';
import type { Heredoc, InstructionBase, SourceWord } from './types.ts';
import { splitFlags } from './words.ts';

/** One instruction of the file, split into keyword, flags and the rest, before its own grammar is applied. */
export interface Statement {
  readonly source: SourceText;
  readonly line: LogicalLine;
  readonly escape: '\\' | '`';
  /** File offsets of the whole instruction, heredocs included. */
  readonly start: number;
  readonly end: number;
  readonly keyword: Word;
  readonly flags: readonly Word[];
  /** Everything behind the flags, without blanks around it. */
  readonly rest: Word;
  readonly heredocs: readonly Heredoc[];
  readonly docComment: readonly string[];
}

export type StatementParts = Pick<Statement, 'keyword' | 'flags' | 'rest'>;

/** Splits a line, from `start` on, into keyword, flags and rest. */
export function splitStatement(line: string, escapeChar: string, start = 0): StatementParts {
  const from = skipSpace(line, start);
  const end = trimEndIndex(line, from, line.length);
  let keywordEnd = from;
  while (keywordEnd < end && !isBlank(line.charCodeAt(keywordEnd))) keywordEnd++;
  const keyword = { text: line.slice(from, keywordEnd), start: from, end: keywordEnd };
  return { keyword, ...splitFlags(line, { text: '', start: keywordEnd, end }, escapeChar) };
}

/** What an error about an instruction needs to say. */
export interface Complaint {
  readonly code?: Extract<ErrorCode, 'DOCKERFILE_SYNTAX' | 'DOCKERFILE_INVALID'>;
  readonly message: string;
  readonly hint?: string | undefined;
  readonly cause?: unknown;
}

/** An error that points at a word of the instruction. */
export function complainAt(statement: Statement, word: Word, complaint: Complaint): BuildError {
  const { start, end } = offsetsOf(statement.line, word);
  return new BuildError(complaint.code ?? 'DOCKERFILE_SYNTAX', complaint.message, {
    hint: complaint.hint,
    cause: complaint.cause,
    location: locationBetween(statement.source, start, end),
  });
}

/** An error that points at the whole line of the instruction, without its heredoc bodies. */
export function complainAbout(statement: Statement, complaint: Complaint): BuildError {
  return complainAt(statement, lineWord(statement), complaint);
}

function lineWord({ line, keyword }: Statement): Word {
  return { text: '', start: keyword.start, end: trimEndIndex(line.text, keyword.start, line.text.length) };
}

export function rangeOfWord(statement: Statement, word: Word): SourceRange {
  const { start, end } = offsetsOf(statement.line, word);
  return rangeBetween(statement.source, start, end);
}

/** The fields that all instructions share. `args` are the words of the rest, as the instruction reads them. */
export function toInstructionBase(statement: Statement, args: readonly Word[]): InstructionBase {
  const { source, line, keyword, flags, docComment } = statement;
  const words: SourceWord[] = [
    { role: 'keyword', text: keyword.text, range: rangeOfWord(statement, keyword) },
    ...flags.map((flag): SourceWord => ({ role: 'flag', text: flag.text, range: rangeOfWord(statement, flag) })),
    ...args.map((arg): SourceWord => ({ role: 'argument', text: arg.text, range: rangeOfWord(statement, arg) })),
  ];
  return {
    range: rangeBetween(source, statement.start, statement.end),
    text: line.text.slice(keyword.start, lineWord(statement).end),
    words,
    ...(docComment.length === 0 ? {} : { docComment }),
  };
}
