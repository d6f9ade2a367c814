import type { Expression, ForLoop, TemplatePart } from './ast.ts';
import type { Reader } from './reader.ts';

/** What a template holds besides text. */
export interface TemplateGrammar {
  expression(reader: Reader): Expression;
  loopHead(reader: Reader): Pick<ForLoop, 'key' | 'value' | 'of'>;
}

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', '"': '"', '\\': '\\' };
const QUOTED_TEXT = /(?:[^"\\$%\n]|\$(?!\$?\{)|%(?!%?\{))+/y;
const PLAIN_TEXT = /(?:[^$%]|\$(?!\$?\{)|%(?!%?\{))+/y;

/** A string in double quotes: a literal where it has no interpolation. */
export function parseQuoted(reader: Reader, grammar: TemplateGrammar): Expression {
  const start = reader.at;
  reader.at += 1;
  const parts = parseParts(reader, { grammar, quoted: true, until: () => reader.peek('"') });
  reader.expect('"', 'to end the string');
  return toExpression(parts, reader.rangeFrom(start));
}

/** A text that is a template from end to end. */
export function parseWhole(reader: Reader, grammar: TemplateGrammar): Expression {
  const parts = parseParts(reader, { grammar, quoted: false, until: () => reader.isAtEnd });
  if (!reader.isAtEnd) throw reader.error(reader.at, 'The directive has no beginning.');
  return toExpression(parts, reader.rangeFrom(0));
}

function toExpression(parts: readonly TemplatePart[], range: Expression['range']): Expression {
  const [first] = parts;
  if (first === undefined) return { kind: 'literal', value: '', range };
  if (parts.length === 1 && first.kind === 'text') return { kind: 'literal', value: first.text, range };
  return { kind: 'template', parts, range };
}

interface TemplateRules {
  readonly grammar: TemplateGrammar;
  readonly quoted: boolean;
  readonly until: () => boolean;
}

function parseParts(reader: Reader, rules: TemplateRules): readonly TemplatePart[] {
  const parts: TemplatePart[] = [];
  let text = '';
  const flush = (): void => {
    if (text !== '') parts.push({ kind: 'text', text });
    text = '';
  };
  while (!rules.until()) {
    if (reader.isAtEnd || (rules.quoted && reader.peek('\n'))) {
      throw reader.error(reader.at, rules.quoted ? 'The string has no end.' : 'The template ends too early.');
    }
    if (reader.take('$${')) text += '${';
    else if (reader.take('%%{')) text += '%{';
    else if (reader.peek('${')) {
      flush();
      parts.push(parseInterpolation(reader, rules, parts));
      if (wasTrimmed(reader)) reader.match(/\s+/y);
    } else if (reader.peek('%{')) {
      flush();
      const directive = parseDirective(reader, rules);
      if (directive === undefined) return parts;
      parts.push(directive);
    } else if (rules.quoted && reader.peek('\\')) text += parseEscape(reader);
    else text += reader.match(rules.quoted ? QUOTED_TEXT : PLAIN_TEXT) ?? '';
  }
  flush();
  return parts;
}

/** `~}` trims the blanks after it. */
function wasTrimmed(reader: Reader): boolean {
  return reader.source.text.startsWith('~}', reader.at - 2);
}

function parseInterpolation(reader: Reader, { grammar }: TemplateRules, before: TemplatePart[]): TemplatePart {
  reader.at += 2;
  if (reader.take('~')) trimLast(before);
  const value = grammar.expression(reader);
  reader.skip(true);
  reader.take('~');
  reader.expect('}', 'to end the interpolation');
  return { kind: 'value', value };
}

function trimLast(parts: TemplatePart[]): void {
  const last = parts.at(-1);
  if (last?.kind === 'text') parts[parts.length - 1] = { kind: 'text', text: last.text.trimEnd() };
}

function parseEscape(reader: Reader): string {
  const start = reader.at;
  const hex = reader.match(/\\u[0-9a-fA-F]{4}|\\U[0-9a-fA-F]{8}/y);
  if (hex !== undefined) return String.fromCodePoint(Number.parseInt(hex.slice(2), 16));
  reader.at += 2;
  const letter = reader.source.text[reader.at - 1] ?? '';
  const value = ESCAPES[letter];
  if (value === undefined) {
    throw reader.error(start, `"\\${letter}" is no escape.`, 'Write "\\\\" for a backslash.');
  }
  return value;
}

/** Undefined for the directives that end or split the one around: they stay unread. */
function parseDirective(reader: Reader, rules: TemplateRules): TemplatePart | undefined {
  const start = reader.at;
  reader.take('%{');
  reader.take('~');
  reader.skip(true);
  const word = reader.identifier();
  if (word === 'else' || word === 'endif' || word === 'endfor') {
    reader.at = start;
    return undefined;
  }
  if (word === 'if') return parseIf(reader, rules);
  if (word === 'for') return parseFor(reader, rules);
  throw reader.error(start, `There is no template directive "${word ?? ''}".`, 'There are if and for.');
}

function parseIf(reader: Reader, rules: TemplateRules): TemplatePart {
  const condition = rules.grammar.expression(reader);
  endDirective(reader);
  const then = parseParts(reader, rules);
  const otherwise = takeDirective(reader, 'else') ? parseParts(reader, rules) : [];
  expectDirective(reader, 'endif');
  return { kind: 'if', condition, then, otherwise };
}

function parseFor(reader: Reader, rules: TemplateRules): TemplatePart {
  const head = rules.grammar.loopHead(reader);
  endDirective(reader);
  const body = parseParts(reader, rules);
  expectDirective(reader, 'endfor');
  return { kind: 'for', ...head, body };
}

function endDirective(reader: Reader): void {
  reader.skip(true);
  const trims = reader.take('~');
  reader.expect('}', 'to end the directive');
  if (trims) reader.match(/\s+/y);
}

function takeDirective(reader: Reader, word: string): boolean {
  if (reader.match(new RegExp(`%\\{~?\\s*${word}\\b`, 'y')) === undefined) return false;
  endDirective(reader);
  return true;
}

function expectDirective(reader: Reader, word: string): void {
  if (!takeDirective(reader, word)) throw reader.unexpected(`%{ ${word} }`);
}

/** `<<WORD` up to a line that is `WORD`; with `<<-` the blanks that all lines begin with are taken away. */
export function parseHeredoc(reader: Reader, grammar: TemplateGrammar): Expression {
  const start = reader.at;
  const indented = reader.take('<<-') || !reader.take('<<');
  const word = reader.identifier();
  if (word === undefined) throw reader.unexpected('the name of the heredoc');
  if (reader.match(/\r?\n/y) === undefined) throw reader.unexpected('the end of the line');
  const from = reader.at;
  const rest = reader.source.text.slice(from, reader.end);
  const closing = new RegExp(`^[ \\t]*${word}[ \\t\\r]*$`, 'm').exec(rest);
  if (closing === null) throw reader.error(start, `The heredoc has no end: there is no line "${word}".`);
  const outerEnd = reader.end;
  reader.end = from + closing.index;
  const parts = parseParts(reader, { grammar, quoted: false, until: () => reader.isAtEnd });
  if (!reader.isAtEnd) throw reader.error(reader.at, 'The directive has no beginning.');
  reader.end = outerEnd;
  reader.at = from + closing.index + closing[0].length;
  const width = indented ? indentOf(rest.slice(0, closing.index)) : 0;
  return toExpression(removeIndent(parts, width), reader.rangeFrom(start));
}

function indentOf(text: string): number {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  return Math.min(...lines.map((line) => /^[ \t]*/.exec(line)![0].length), text.length);
}

/** Only what stands at the beginning of a line is taken away: a part after an interpolation begins within one. */
function removeIndent(parts: readonly TemplatePart[], width: number): readonly TemplatePart[] {
  if (width === 0) return parts;
  const blanks = new RegExp(`(^|\\n)[ \\t]{1,${width}}`, 'g');
  const within = new RegExp(`(\\n)[ \\t]{1,${width}}`, 'g');
  return parts.map((part, at) =>
    part.kind === 'text' ? { kind: 'text', text: part.text.replace(at === 0 ? blanks : within, '$1') } : part,
  );
}
