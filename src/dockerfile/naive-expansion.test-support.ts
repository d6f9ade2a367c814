import { BuildError } from '../core/index.ts';
import type { ExpandOptions } from './expand.ts';

// A second expansion for property tests: recursive, over an array of characters, patterns by trying every cut. Slow, and
// written without a look at the first.

type Chars = string[];

function fail(): never {
  throw new BuildError('DOCKERFILE_EXPANSION', 'naive');
}

/** The text of a word as `expandWord` must give it. */
export function naiveExpand(word: string, options: ExpandOptions): string {
  const rest = Array.from(word);
  return readUntil(rest, undefined, { ...options, keep: false }) ?? fail();
}

interface Context extends ExpandOptions {
  /** Escape characters stay: the text is a pattern. */
  readonly keep: boolean;
}

/** Takes characters off `rest`. Undefined when it ends before `stop`. */
function readUntil(rest: Chars, stop: string | undefined, context: Context): string | undefined {
  let out = '';
  for (;;) {
    const char = rest.shift();
    if (char === undefined) return stop === undefined ? out : undefined;
    if (char === stop) return out;
    if (char === "'") out += single(rest);
    else if (char === '"') out += double(rest, context);
    else if (char === '$') out += dollar(rest, context);
    else if (char === context.escape) out += (context.keep ? char : '') + (rest.shift() ?? '');
    else out += char;
  }
}

function single(rest: Chars): string {
  const end = rest.indexOf("'");
  if (end < 0) fail();
  return rest
    .splice(0, end + 1)
    .slice(0, -1)
    .join('');
}

function double(rest: Chars, context: Context): string {
  let out = '';
  for (;;) {
    const char = rest.shift() ?? fail();
    if (char === '"') return out;
    if (char === '$') out += dollar(rest, context);
    else if (char !== context.escape) out += char;
    else {
      if (context.keep) out += char;
      if (rest.length === 0) fail();
      out += ['"', '$', char].includes(rest[0]!) ? rest.shift() : char;
    }
  }
}

function name(rest: Chars): string {
  const text = rest.join('');
  const found = /^[@*#?\-$!]|^\p{Nd}+|^[\p{L}_][\p{L}\p{Nd}_]*/u.exec(text)?.[0] ?? '';
  rest.splice(0, Array.from(found).length);
  return found;
}

function dollar(rest: Chars, context: Context): string {
  if (rest[0] !== '{') {
    const plain = name(rest);
    return plain === '' ? '$' : (context.lookup(plain) ?? '');
  }
  rest.shift();
  if (rest.length === 0 || ['{', '}', ':'].includes(rest[0]!)) fail();
  const variable = name(rest);
  const value = variable === '' ? undefined : context.lookup(variable);
  const operator = rest.shift() ?? fail();
  if (operator === '}') return value ?? '';
  if (operator === '/') return replacement(rest, value ?? '', context);
  const colon = operator === ':';
  const kind = colon ? (rest.shift() ?? fail()) : operator;
  const isPattern = kind === '#' || kind === '%';
  if (!['-', '+', '?', '#', '%'].includes(kind) || (colon && isPattern)) fail();
  const word = readUntil(rest, '}', { ...context, keep: isPattern }) ?? fail();
  const missing = value === undefined || (colon && value === '');
  if (kind === '-') return missing ? word : value;
  if (kind === '+') return missing ? '' : word;
  if (kind === '?') return missing ? fail() : value;
  return trimmed(value ?? '', kind, word);
}

function trimmed(value: string, kind: string, word: string): string {
  const greedy = word.startsWith(kind);
  const pattern = toPattern(greedy ? word.slice(1) : word);
  const points = Array.from(value);
  const sizes = points.map((_, i) => i).concat(points.length);
  if (greedy) sizes.reverse();
  for (const size of sizes) {
    const cut = kind === '#' ? points.slice(0, size) : points.slice(points.length - size);
    if (!pattern.test(cut.join(''))) continue;
    return (kind === '#' ? points.slice(size) : points.slice(0, points.length - size)).join('');
  }
  return value;
}

function replacement(rest: Chars, value: string, context: Context): string {
  const all = rest[0] === '/';
  if (all) rest.shift();
  const raw = { ...context, keep: true };
  const pattern = readUntil(rest, '/', raw) ?? fail();
  const text = readUntil(rest, '}', raw) ?? fail();
  const matcher = toPattern(pattern);
  const points = Array.from(value);
  let out = '';
  let lastEnd = -1;
  for (let start = 0; start <= points.length; ) {
    let end = points.length;
    while (end >= start && !matcher.test(points.slice(start, end).join(''))) end--;
    if (end < start || (end === start && lastEnd === start)) {
      out += points[start++] ?? '';
      continue;
    }
    out += text;
    lastEnd = end;
    if (end === start) out += points[start++] ?? '';
    else start = end;
    if (!all) return out + points.slice(start).join('');
  }
  return out;
}

function toPattern(text: string): RegExp {
  let source = '';
  const rest = Array.from(text);
  for (let char = rest.shift(); char !== undefined; char = rest.shift()) {
    if (char === '*') source += '[^\\n]*';
    else if (char === '?') source += '[^\\n]';
    else {
      const literal = char === '\\' ? (rest.shift() ?? fail()) : char;
      if (char === '\\' && !'*?\\}/'.includes(literal)) fail();
      source += literal.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
    }
  }
  return new RegExp(`^(?:${source})$`, 'u');
}
