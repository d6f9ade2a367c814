import { isBlank, isSpace, skipSpace, trimEndIndex } from './characters.ts';
import type { Word } from './logical-line.ts';

/** A word that covers `text` from `start` to `end`, without the blanks around it. */
export function trimmedWord(text: string, start = 0, end = text.length): Word {
  const from = skipSpace(text, start, end);
  const to = trimEndIndex(text, from, end);
  return { text: text.slice(from, to), start: from, end: to };
}

/** Splits at runs of blanks; quotes mean nothing. The stretch must not begin or end with a blank. */
export function splitAtBlanks(line: string, { start, end }: Word): readonly Word[] {
  const words: Word[] = [];
  for (let at = start; at < end; ) {
    const from = at;
    while (at < end && !isBlank(line.charCodeAt(at))) at++;
    words.push({ text: line.slice(from, at), start: from, end: at });
    while (at < end && isBlank(line.charCodeAt(at))) at++;
  }
  return words;
}

/** Splits at white space outside quotes. Quotes and escapes stay in the words, for the expansion to remove. */
export function splitQuoted(line: string, { start, end }: Word, escapeChar: string): readonly Word[] {
  const words: Word[] = [];
  for (let at = skipSpace(line, start, end); at < end; at = skipSpace(line, at, end)) {
    const from = at;
    at = endOfQuotedWord(line, { at, end }, escapeChar);
    // An escape character at the very end escapes nothing and is dropped.
    const dangling = at === end && endsWithDanglingEscape(line.slice(from, at), escapeChar);
    const text = line.slice(from, dangling ? at - 1 : at);
    if (text !== '') words.push({ text, start: from, end: at });
  }
  return words;
}

function endOfQuotedWord(line: string, { at, end }: { at: number; end: number }, escapeChar: string): number {
  let quote = '';
  let i = at;
  for (; i < end; i++) {
    const char = line[i]!;
    if (char === escapeChar && quote !== "'") i++;
    else if (quote !== '') {
      if (char === quote) quote = '';
    } else if (char === "'" || char === '"') quote = char;
    else if (isSpace(char.charCodeAt(0))) break;
  }
  return Math.min(i, end);
}

function endsWithDanglingEscape(word: string, escapeChar: string): boolean {
  let quote = '';
  for (let i = 0; i < word.length; i++) {
    const char = word[i]!;
    if (char === escapeChar && quote !== "'") {
      if (i === word.length - 1) return true;
      i++;
    } else if (quote !== '') {
      if (char === quote) quote = '';
    } else if (char === "'" || char === '"') quote = char;
  }
  return false;
}

/** The flags at the start of an instruction's arguments, and where the arguments proper begin. */
export interface SplitFlags {
  /** Without quotes and escapes; each begins with `--`. */
  readonly flags: readonly Word[];
  readonly rest: Word;
}

/** Reads words beginning with `--` up to the first other word, or up to `--` alone. */
export function splitFlags(line: string, stretch: Word, escapeChar: string): SplitFlags {
  const flags: Word[] = [];
  let at = skipSpace(line, stretch.start, stretch.end);
  while (line.startsWith('--', at) && at + 2 <= stretch.end) {
    const flag = readFlag(line, { at, end: stretch.end }, escapeChar);
    at = flag.end;
    if (flag.text === '--') break;
    flags.push(flag);
    at = skipSpace(line, at, stretch.end);
  }
  return { flags, rest: trimmedWord(line, at, stretch.end) };
}

function readFlag(line: string, { at, end }: { at: number; end: number }, escapeChar: string): Word {
  const parts: string[] = [];
  let quote = '';
  let i = at;
  for (; i < end; i++) {
    const char = line[i]!;
    if (char === escapeChar) {
      if (++i < end) parts.push(line[i]!);
    } else if (quote !== '') {
      if (char === quote) quote = '';
      else parts.push(char);
    } else if (char === "'" || char === '"') quote = char;
    else if (isSpace(char.charCodeAt(0))) break;
    else parts.push(char);
  }
  const stop = Math.min(i, end);
  return { text: parts.join(''), start: at, end: stop };
}
