import type { Attribute, Block, Body } from './ast.ts';
import { parseExpression } from './parse-expression.ts';
import { Reader, type SourceText } from './reader.ts';

const LABEL = /"[^"\\\n$%]*"/y;

/**
 * Reads a file of HCL in its native syntax.
 *
 * @throws BuildError `BAKE_INVALID` with the place of the first thing that is wrong.
 */
export function parseHcl(source: SourceText): Body {
  const reader = new Reader(source);
  if (reader.peek('\ufeff')) reader.at = 1;
  return parseBody(reader, { nested: false });
}

function parseBody(reader: Reader, { nested }: { readonly nested: boolean }): Body {
  const attributes: Attribute[] = [];
  const blocks: Block[] = [];
  for (;;) {
    reader.skip(true);
    if (nested ? reader.peek('}') : reader.isAtEnd) return { attributes, blocks };
    const start = reader.at;
    const name = reader.identifier();
    if (name === undefined) throw reader.unexpected(nested ? 'a name or "}"' : 'a name');
    reader.skip(false);
    if (reader.peek('=') && !reader.peek('==')) {
      reader.at += 1;
      const range = reader.rangeFrom(start);
      const earlier = attributes.find((attribute) => attribute.name === name);
      if (earlier !== undefined) {
        throw reader.error(start, `${name} is set twice: it is set in line ${earlier.range.start.line} already.`);
      }
      attributes.push({ name, value: parseExpression(reader, { lines: false }), range });
    } else {
      blocks.push(reader.nest(() => parseBlock(reader, { kind: name, start })));
    }
    endLine(reader);
  }
}

function parseBlock(reader: Reader, { kind, start }: { readonly kind: string; readonly start: number }): Block {
  const labels: string[] = [];
  for (;;) {
    reader.skip(false);
    const label = reader.match(LABEL)?.slice(1, -1) ?? reader.identifier();
    if (label === undefined) break;
    labels.push(label);
  }
  const range = reader.rangeFrom(start);
  if (!reader.take('{')) throw reader.unexpected(`"=" or "{" after ${[kind, ...labels].join(' ')}`);
  const body = parseBody(reader, { nested: true });
  reader.expect('}', 'to end the block');
  return { kind, labels, body, range };
}

/** An attribute or block ends with its line; a block's last attribute may also stand before its "}". */
function endLine(reader: Reader): void {
  reader.skip(false);
  if (reader.isAtEnd || reader.take('\n') || reader.peek('}')) return;
  throw reader.unexpected('the end of the line');
}
