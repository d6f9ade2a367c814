import { type BinaryOperator, type Expression, type ForLoop, SPLAT_ITEM } from './ast.ts';
import { parseHeredoc, parseQuoted, parseWhole, type TemplateGrammar } from './parse-template.ts';
import { Reader, type SourceText } from './reader.ts';

/** Whether line ends are blanks here, as they are within brackets. */
export interface Layout {
  readonly lines: boolean;
}

const WITHIN: Layout = { lines: true };
/** Loosest first. */
const PRECEDENCE: ReadonlyArray<readonly BinaryOperator[]> = [
  ['||'],
  ['&&'],
  ['==', '!='],
  ['<=', '>=', '<', '>'],
  ['+', '-'],
  ['*', '/', '%'],
];
const NUMBER = /\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const LITERALS: ReadonlyMap<string, boolean | null> = new Map([
  ['true', true],
  ['false', false],
  ['null', null],
]);
/** What templates hold. */
const GRAMMAR: TemplateGrammar = { expression: (reader) => parseExpression(reader, WITHIN), loopHead: parseLoopHead };

/** Reads an expression. @throws BuildError `BAKE_INVALID`. */
export function parseExpression(reader: Reader, layout: Layout): Expression {
  return reader.nest(() => parseConditional(reader, layout));
}

/** Reads a text that is one template, as strings of JSON files are. @throws BuildError `BAKE_INVALID`. */
export function parseTemplateText(source: SourceText): Expression {
  return parseWhole(new Reader(source), GRAMMAR);
}

function parseConditional(reader: Reader, layout: Layout): Expression {
  reader.skip(layout.lines);
  const start = reader.at;
  const condition = parseBinary(reader, layout, 0);
  if (!takeAfterBlanks(reader, '?', layout)) return condition;
  const then = parseExpression(reader, layout);
  reader.skip(layout.lines);
  reader.expect(':', 'of the conditional');
  const otherwise = parseExpression(reader, layout);
  return { kind: 'conditional', condition, then, otherwise, range: reader.rangeFrom(start) };
}

function parseBinary(reader: Reader, layout: Layout, level: number): Expression {
  const operators = PRECEDENCE[level];
  if (operators === undefined) return parseUnary(reader, layout);
  reader.skip(layout.lines);
  const start = reader.at;
  let left = parseBinary(reader, layout, level + 1);
  for (;;) {
    const operator = takeOperator(reader, operators, layout);
    if (operator === undefined) return left;
    const right = parseBinary(reader, layout, level + 1);
    left = { kind: 'binary', operator, left, right, range: reader.rangeFrom(start) };
  }
}

function takeOperator(
  reader: Reader,
  operators: readonly BinaryOperator[],
  layout: Layout,
): BinaryOperator | undefined {
  const before = reader.at;
  reader.skip(layout.lines);
  // `=>` of an object and a comment are no operators.
  const found = reader.peek('=>') ? undefined : operators.find((operator) => reader.take(operator));
  if (found === undefined) reader.at = before;
  return found;
}

function takeAfterBlanks(reader: Reader, text: string, layout: Layout): boolean {
  const before = reader.at;
  reader.skip(layout.lines);
  if (reader.take(text)) return true;
  reader.at = before;
  return false;
}

function parseUnary(reader: Reader, layout: Layout): Expression {
  reader.skip(layout.lines);
  const start = reader.at;
  for (const operator of ['!', '-'] as const) {
    if (!reader.take(operator)) continue;
    const operand = parseUnary(reader, layout);
    return { kind: 'unary', operator, operand, range: reader.rangeFrom(start) };
  }
  return parseTraversal(reader, { start, of: parseTerm(reader) }, layout);
}

interface Traversal {
  readonly start: number;
  readonly of: Expression;
}

/** What follows a term: `.name`, `.0`, `[key]`, `.*`, `[*]`. */
function parseTraversal(reader: Reader, { start, of }: Traversal, layout: Layout): Expression {
  let term = of;
  for (;;) {
    if (reader.take('[*]') || reader.take('.*')) {
      const item: Expression = { kind: 'variable', name: SPLAT_ITEM, range: reader.rangeFrom(start) };
      const each = parseTraversal(reader, { start, of: item }, layout);
      return { kind: 'splat', of: term, each, range: reader.rangeFrom(start) };
    }
    if (reader.take('[')) {
      const key = parseExpression(reader, WITHIN);
      reader.skip(true);
      reader.expect(']', 'of the index');
      term = { kind: 'index', of: term, key, range: reader.rangeFrom(start) };
    } else if (reader.peek('.') && !reader.peek('...')) {
      reader.at += 1;
      const index = reader.match(/\d+/y);
      const name = index === undefined ? reader.identifier() : undefined;
      if (name === undefined && index === undefined) throw reader.unexpected('a name after "."');
      const range = reader.rangeFrom(start);
      term =
        name === undefined
          ? { kind: 'index', of: term, key: { kind: 'literal', value: Number(index), range }, range }
          : { kind: 'attribute', of: term, name, range };
    } else return term;
  }
}

function parseTerm(reader: Reader): Expression {
  const start = reader.at;
  const number = reader.match(NUMBER);
  if (number !== undefined) return { kind: 'literal', value: Number(number), range: reader.rangeFrom(start) };
  if (reader.peek('"')) return parseQuoted(reader, GRAMMAR);
  if (reader.peek('<<')) return parseHeredoc(reader, GRAMMAR);
  if (reader.take('(')) {
    const inner = parseExpression(reader, WITHIN);
    reader.skip(true);
    reader.expect(')', 'to match "("');
    return inner;
  }
  if (reader.take('[')) return parseList(reader, start);
  if (reader.take('{')) return parseObject(reader, start);
  const name = reader.identifier();
  if (name === undefined) throw reader.unexpected('a value');
  if (LITERALS.has(name)) return { kind: 'literal', value: LITERALS.get(name)!, range: reader.rangeFrom(start) };
  if (reader.take('(')) return parseCall(reader, name, start);
  return { kind: 'variable', name, range: reader.rangeFrom(start) };
}

function parseCall(reader: Reader, name: string, start: number): Expression {
  const args: Expression[] = [];
  let spread = false;
  reader.skip(true);
  while (!reader.take(')')) {
    args.push(parseExpression(reader, WITHIN));
    reader.skip(true);
    spread = reader.take('...');
    reader.skip(true);
    if (!reader.take(',') && !reader.peek(')')) throw reader.unexpected(`"," or ")" in the call of ${name}`);
    reader.skip(true);
    if (spread && !reader.peek(')')) throw reader.unexpected('")" after "..."');
  }
  return { kind: 'call', name, args, spread, range: reader.rangeFrom(start) };
}

function parseList(reader: Reader, start: number): Expression {
  const loop = parseLoop(reader, ']');
  if (loop !== undefined) return { kind: 'for', loop, range: reader.rangeFrom(start) };
  const items: Expression[] = [];
  reader.skip(true);
  while (!reader.take(']')) {
    items.push(parseExpression(reader, WITHIN));
    reader.skip(true);
    if (!reader.take(',') && !reader.peek(']')) throw reader.unexpected('"," or "]" in the list');
    reader.skip(true);
  }
  return { kind: 'list', items, range: reader.rangeFrom(start) };
}

function parseObject(reader: Reader, start: number): Expression {
  const loop = parseLoop(reader, '}');
  if (loop !== undefined) return { kind: 'for', loop, range: reader.rangeFrom(start) };
  const items: { key: Expression; value: Expression }[] = [];
  reader.skip(true);
  while (!reader.take('}')) {
    const key = parseKey(reader);
    reader.skip(false);
    if (!reader.take('=') && !reader.take(':')) throw reader.unexpected('"=" after the key');
    items.push({ key, value: parseExpression(reader, { lines: false }) });
    reader.skip(false);
    if (!reader.take(',') && !reader.take('\n') && !reader.peek('}'))
      throw reader.unexpected('"," or "}" in the object');
    reader.skip(true);
  }
  return { kind: 'object', items, range: reader.rangeFrom(start) };
}

/** A bare name is itself; anything else, also a name in parentheses, is evaluated. */
function parseKey(reader: Reader): Expression {
  const start = reader.at;
  const name = reader.identifier();
  if (name !== undefined) {
    reader.skip(false);
    if ((reader.peek('=') && !reader.peek('==')) || reader.peek(':')) {
      return { kind: 'literal', value: name, range: reader.rangeFrom(start) };
    }
    reader.at = start;
  }
  return parseExpression(reader, { lines: false });
}

function parseLoop(reader: Reader, end: ']' | '}'): ForLoop | undefined {
  const before = reader.at;
  reader.skip(true);
  if (reader.match(/for(?=[ \t\r\n])/y) === undefined) {
    reader.at = before;
    return undefined;
  }
  const { key, value, of } = parseLoopHead(reader);
  reader.skip(true);
  reader.expect(':', 'of the for expression');
  const first = parseExpression(reader, WITHIN);
  reader.skip(true);
  const hasKey = end === '}';
  if (hasKey) reader.expect('=>', 'between key and value of the for expression');
  const result = hasKey ? parseExpression(reader, WITHIN) : first;
  reader.skip(true);
  const grouped = hasKey && reader.take('...');
  reader.skip(true);
  const condition = reader.match(/if\b/y) === undefined ? undefined : parseExpression(reader, WITHIN);
  reader.skip(true);
  reader.expect(end, 'to end the for expression');
  return { key, value, of, resultKey: hasKey ? first : undefined, result, grouped, condition };
}

/** `x in list` or `key, value in map`, of a loop in an expression or in a template. */
function parseLoopHead(reader: Reader): Pick<ForLoop, 'key' | 'value' | 'of'> {
  const name = (): string => {
    reader.skip(true);
    const found = reader.identifier();
    if (found === undefined) throw reader.unexpected('the name of a variable');
    reader.skip(true);
    return found;
  };
  const first = name();
  const second = reader.take(',') ? name() : undefined;
  if (reader.match(/in\b/y) === undefined) throw reader.unexpected('"in"');
  const of = parseExpression(reader, WITHIN);
  return { key: second === undefined ? undefined : first, value: second ?? first, of };
}
