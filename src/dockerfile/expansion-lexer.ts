import { BuildError } from '../core/index.ts';
import { isSpace } from './characters.ts';
import { parseShellPattern, replacePattern, trimPrefix, trimSuffix } from './shell-pattern.ts';

/** How a text is read. The Dockerfile's words, heredoc bodies and heredoc delimiters differ in these only. */
export interface ExpansionMode {
  readonly escape: '\\' | '`';
  readonly lookup: (name: string) => string | undefined;
  /** False: quotes are ordinary characters (heredoc bodies). */
  readonly quotes: boolean;
  /** Quotes stay in the result. */
  readonly keepQuotes: boolean;
  /** Escape characters stay in the result. */
  readonly keepEscapes: boolean;
  /** Unset variables stay as written. */
  readonly keepUnset: boolean;
}

export interface ExpansionResult {
  readonly text: string;
  /** The text split at blanks that were not quoted or escaped, after expansion. */
  readonly words: readonly string[];
  readonly used: ReadonlySet<string>;
  readonly unset: ReadonlySet<string>;
}

const MAX_DEPTH = 100;
const MAX_GROWTH = 16 * 1024 * 1024;
const LETTER_OR_DIGIT = /^[\p{L}\p{Nd}_]$/u;
const DIGIT = /^\p{Nd}$/u;
const SPECIAL_NAMES = '@*#?-$!';

/** A name at `index`: letters, digits and `_`; digits alone; or one special character. Empty where there is none. */
export function nameAt(text: string, index: number): string {
  let end = index;
  while (end < text.length) {
    const point = String.fromCodePoint(text.codePointAt(end)!);
    if (end === index && SPECIAL_NAMES.includes(point)) return point;
    if (end === index && DIGIT.test(point)) return digitsAt(text, index);
    if (!LETTER_OR_DIGIT.test(point)) break;
    end += point.length;
  }
  return text.slice(index, end);
}

function digitsAt(text: string, index: number): string {
  let end = index;
  while (end < text.length) {
    const point = String.fromCodePoint(text.codePointAt(end)!);
    if (!DIGIT.test(point)) break;
    end += point.length;
  }
  return text.slice(index, end);
}

/** Words as they come out of a text: blanks separate, unless they were quoted or escaped. Empty words vanish. */
class WordCollector {
  readonly words: string[] = [];
  private word = '';

  addLiteral(text: string): void {
    this.word += text;
  }

  addSplitting(text: string): void {
    let start = 0;
    for (let i = 0; i < text.length; i++) {
      if (!isSpace(text.charCodeAt(i))) continue;
      this.word += text.slice(start, i);
      this.close();
      start = i + 1;
    }
    this.word += text.slice(start);
  }

  close(): void {
    if (this.word !== '') this.words.push(this.word);
    this.word = '';
  }
}

/** One pass over one text. */
class Lexer {
  private readonly text: string;
  private readonly mode: ExpansionMode;
  private keepEscapes: boolean;
  private at = 0;
  private depth = 0;
  private growth = 0;
  readonly used = new Set<string>();
  readonly unset = new Set<string>();

  constructor(text: string, mode: ExpansionMode) {
    this.text = text;
    this.mode = mode;
    this.keepEscapes = mode.keepEscapes;
  }

  /** Reads to the end, or to the `stop` character (which is consumed). Undefined: `stop` never came. */
  read(stop: string | undefined, collector?: WordCollector): string | undefined {
    const { text, mode } = this;
    const result: string[] = [];
    const addPlain = (plain: string): void => {
      result.push(plain);
      collector?.addSplitting(plain);
    };
    const addLiteral = (literal: string): void => {
      result.push(literal);
      collector?.addLiteral(literal);
    };
    while (this.at < text.length) {
      const char = text[this.at]!;
      if (char === stop) {
        this.at++;
        return result.join('');
      }
      if (char === '$') addPlain(this.readDollar());
      else if (char === '<') addLiteral(this.readLess());
      else if (mode.quotes && char === "'") addLiteral(this.readSingleQuoted());
      else if (mode.quotes && char === '"') addLiteral(this.readDoubleQuoted());
      else if (char === mode.escape) addLiteral(this.readEscape());
      else addPlain(this.readPlain(stop));
    }
    return stop === undefined ? result.join('') : undefined;
  }

  private readPlain(stop: string | undefined): string {
    const start = this.at;
    do this.at++;
    while (this.at < this.text.length && !this.isSpecial(this.text[this.at]!, stop));
    return this.text.slice(start, this.at);
  }

  private isSpecial(char: string, stop: string | undefined): boolean {
    return char === stop || char === '$' || char === '<' || char === this.mode.escape || char === "'" || char === '"';
  }

  private readEscape(): string {
    const kept = this.keepEscapes ? this.mode.escape : '';
    this.at++;
    if (this.at >= this.text.length) return kept;
    const point = String.fromCodePoint(this.text.codePointAt(this.at)!);
    this.at += point.length;
    return kept + point;
  }

  /** `<<` holds on to the blanks behind it, so that `<< EOF` is one word. */
  private readLess(): string {
    const start = this.at++;
    if (this.text[this.at] !== '<') return '<';
    this.at++;
    while (this.at < this.text.length && ' \t\r'.includes(this.text[this.at]!)) this.at++;
    return this.text.slice(start, this.at);
  }

  private readSingleQuoted(): string {
    const end = this.text.indexOf("'", this.at + 1);
    if (end < 0) throw this.error('a single quote is never closed', "Close it, or write \\' for the character itself.");
    const from = this.mode.keepQuotes ? this.at : this.at + 1;
    this.at = end + 1;
    return this.text.slice(from, this.mode.keepQuotes ? end + 1 : end);
  }

  private readDoubleQuoted(): string {
    const { text, mode } = this;
    const result: string[] = [mode.keepQuotes ? '"' : ''];
    this.at++;
    for (;;) {
      const char = text[this.at];
      if (char === undefined) {
        throw this.error('a double quote is never closed', 'Close it, or write \\" for the character itself.');
      }
      if (char === '"') {
        this.at++;
        result.push(mode.keepQuotes ? '"' : '');
        return result.join('');
      }
      if (char === '$') result.push(this.readDollar());
      else if (char === mode.escape) result.push(this.readEscapeInQuotes());
      else {
        const start = this.at;
        while (this.at < text.length && !this.endsQuotedRun(text[this.at]!)) this.at++;
        result.push(text.slice(start, this.at));
      }
    }
  }

  private endsQuotedRun(char: string): boolean {
    return char === '"' || char === '$' || char === this.mode.escape;
  }

  /** In double quotes only `"`, `$` and the escape character itself can be escaped. */
  private readEscapeInQuotes(): string {
    const escapeChar = this.mode.escape;
    const kept = this.keepEscapes ? escapeChar : '';
    const next = this.text[++this.at];
    if (next === undefined) return kept;
    if (next !== '"' && next !== '$' && next !== escapeChar) return kept + escapeChar;
    this.at++;
    return kept + next;
  }

  private readDollar(): string {
    this.at++;
    if (this.text[this.at] === '{') return this.readBraces();
    const name = nameAt(this.text, this.at);
    if (name === '') return '$';
    this.at += name.length;
    return this.valueOf(name) ?? (this.mode.keepUnset ? `$${name}` : '');
  }

  private readBraces(): string {
    this.at++;
    const first = this.text[this.at];
    if (first === undefined) throw this.unclosed();
    if (first === '{' || first === '}' || first === ':') {
      throw this.error('"${" must be followed by the name of a variable', 'Write ${NAME}, or \\${ for the characters.');
    }
    const name = nameAt(this.text, this.at);
    this.at += name.length;
    const operator = this.text[this.at++];
    if (operator === undefined) throw this.unclosed();
    if (operator === '}') return this.valueOf(name) ?? (this.mode.keepUnset ? `\${${name}}` : '');
    if (operator === '/') return this.readReplacement(name);
    return this.readModifier(name, operator);
  }

  private readModifier(name: string, first: string): string {
    const colon = first === ':';
    const operator = colon ? this.text[this.at++] : first;
    if (operator === undefined) throw this.unclosed();
    const isTrim = operator === '#' || operator === '%';
    if (!'+-?#%'.includes(operator) || (colon && isTrim)) throw this.badModifier(`${colon ? ':' : ''}${operator}`);
    const word = this.readNested('}', isTrim);
    const value = this.valueOf(name);
    if (this.mode.keepUnset && value === undefined) return `\${${name}${colon ? ':' : ''}${operator}${word}}`;
    const missing = value === undefined || (colon && value === '');
    if (operator === '-') return missing ? word : value;
    if (operator === '+') return missing ? '' : word;
    if (operator === '?') {
      if (!missing) return value;
      throw this.missing(name, word, value);
    }
    return this.trim(value ?? '', operator, word);
  }

  private trim(value: string, operator: string, word: string): string {
    const longest = word.startsWith(operator);
    const pattern = parseShellPattern(longest ? word.slice(1) : word);
    return operator === '#' ? trimPrefix(value, pattern, longest) : trimSuffix(value, pattern, longest);
  }

  private readReplacement(name: string): string {
    const all = this.text[this.at] === '/';
    if (all) this.at++;
    const pattern = this.readNested('/', true);
    const replacement = this.readNested('}', true);
    const value = this.valueOf(name);
    if (this.mode.keepUnset && value === undefined) return `\${${name}/${pattern}/${replacement}}`;
    return this.grown(replacePattern(value ?? '', parseShellPattern(pattern), { replacement, all }));
  }

  private readNested(stop: string, keepEscapes: boolean): string {
    if (++this.depth > MAX_DEPTH) {
      throw this.error(`more than ${MAX_DEPTH} expansions are nested`, 'Use an ARG or ENV for the inner part.');
    }
    const before = this.keepEscapes;
    this.keepEscapes = keepEscapes;
    const word = this.read(stop);
    this.keepEscapes = before;
    this.depth--;
    if (word === undefined) throw this.unclosed();
    return word;
  }

  private valueOf(name: string): string | undefined {
    if (name === '') return undefined;
    const value = this.mode.lookup(name);
    (value === undefined ? this.unset : this.used).add(name);
    return value === undefined ? undefined : this.grown(value);
  }

  private grown(value: string): string {
    this.growth += value.length;
    if (this.growth > MAX_GROWTH) {
      throw this.error('the result is larger than 16 MiB', 'Check the variables for values that repeat each other.');
    }
    return value;
  }

  private missing(name: string, word: string, value: string | undefined): BuildError {
    const state = value === undefined ? 'not set' : 'empty';
    const why = word === '' ? 'but required' : `and required: ${word}`;
    const end = /[.!?]$/.test(why) ? '' : '.';
    return new BuildError('DOCKERFILE_EXPANSION', `The variable ${name} is ${state}, ${why}${end}`, {
      hint: `Give it with --build-arg ${name}=VALUE, where ARG ${name} stands above, or set it with ENV.`,
    });
  }

  private unclosed(): BuildError {
    return this.error('"${" is never closed', 'Add the closing brace, or write \\${ for the characters.');
  }

  private badModifier(modifier: string): BuildError {
    return this.error(
      `"${modifier}" is no way to change a variable`,
      'The ways are :- - :+ + :? ? # ## % %% / and // (behind the name).',
    );
  }

  private error(why: string, hint: string): BuildError {
    const shown = this.text.length > 200 ? `${this.text.slice(0, 200)}…` : this.text;
    return new BuildError('DOCKERFILE_EXPANSION', `Could not expand "${shown}": ${why}.`, {
      hint: hint.replaceAll('\\', this.mode.escape),
    });
  }
}

/** @throws BuildError `DOCKERFILE_EXPANSION`, without location. */
export function lexExpansion(text: string, mode: ExpansionMode): ExpansionResult {
  const lexer = new Lexer(text, mode);
  const collector = new WordCollector();
  const result = lexer.read(undefined, collector)!;
  collector.close();
  return { text: result, words: collector.words, used: lexer.used, unset: lexer.unset };
}
