import { BuildError } from '../core/index.ts';
import { skipSpace } from './characters.ts';
import { locationBetween, rangeBetween, type SourceText } from './source-text.ts';
import type { Directive, Directives } from './types.ts';

const DIRECTIVE = /^([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(\S[\s\S]*)$/;
const NAMES = ['syntax', 'check', 'escape'] as const;
type DirectiveName = (typeof NAMES)[number];

interface PlacedDirective extends Directive {
  readonly name: DirectiveName;
  /** 0-based. */
  readonly line: number;
}

/** The directives of a file, and the lines (0-based) on which they stand. */
export interface DirectiveBlock {
  readonly directives: Directives;
  readonly lines: ReadonlySet<number>;
}

/**
 * Reads the directives at the top: the block ends at the first line that is none. `syntax` and `check` are also found
 * below a `#!` line, and `syntax` as `// syntax=…` or as a key of a JSON document, so that files for other frontends are
 * recognised.
 *
 * @throws BuildError `DOCKERFILE_SYNTAX` for a directive that is given twice, or an `escape` other than `\` or a backtick.
 */
export function readDirectives(source: SourceText): DirectiveBlock {
  const block = readBlock(source, { firstLine: 0, comment: '#' });
  const escapeDirective = block.find(({ name }) => name === 'escape');
  const below = source.text.startsWith('#!') ? readBlock(source, { firstLine: 1, comment: '#' }) : block;
  const syntax = findDirective(below, 'syntax') ?? foreignSyntax(source);
  const check = findDirective(below, 'check');
  return {
    directives: {
      escape: escapeOf(source, escapeDirective),
      ...(syntax === undefined ? {} : { syntax }),
      ...(check === undefined ? {} : { check }),
    },
    lines: new Set([...block, ...below].map(({ line }) => line)),
  };
}

function findDirective(block: readonly PlacedDirective[], name: DirectiveName): Directive | undefined {
  const found = block.find((directive) => directive.name === name);
  return found === undefined ? undefined : { value: found.value, range: found.range };
}

function readBlock(
  source: SourceText,
  { firstLine, comment }: { readonly firstLine: number; readonly comment: string },
): readonly PlacedDirective[] {
  const found: PlacedDirective[] = [];
  for (let line = firstLine; line < source.lineStarts.length; line++) {
    const directive = directiveOn(source, line, comment);
    if (directive === undefined) break;
    if (found.some(({ name }) => name === directive.name)) throw repeated(source, directive);
    found.push(directive);
  }
  return found;
}

function directiveOn(source: SourceText, line: number, comment: string): PlacedDirective | undefined {
  const lineStart = source.lineStarts[line]!;
  const lineEnd = (source.lineStarts[line + 1] ?? source.text.length + 1) - 1;
  const start = skipSpace(source.text, lineStart, lineEnd);
  if (!source.text.startsWith(comment, start)) return undefined;
  const match = DIRECTIVE.exec(source.text.slice(start + comment.length, lineEnd).trim());
  const name = NAMES.find((known) => known === match?.[1]?.toLowerCase());
  if (match === null || name === undefined) return undefined;
  const value = match[2]!;
  const valueStart = source.text.lastIndexOf(value, lineEnd);
  return { name, value, line, range: rangeBetween(source, valueStart, valueStart + value.length) };
}

function repeated(source: SourceText, directive: PlacedDirective): BuildError {
  return new BuildError('DOCKERFILE_SYNTAX', `The directive "${directive.name}" is given twice.`, {
    hint: 'Keep one of the two lines.',
    location: { fileName: source.fileName, text: source.text, range: directive.range },
  });
}

function escapeOf(source: SourceText, directive: PlacedDirective | undefined): Directives['escape'] {
  if (directive === undefined || directive.value === '\\') return '\\';
  if (directive.value === '`') return '`';
  throw new BuildError('DOCKERFILE_SYNTAX', `"${directive.value}" cannot be the escape character.`, {
    hint: 'It is a backslash or a backtick: # escape=`',
    location: { fileName: source.fileName, text: source.text, range: directive.range },
  });
}

function foreignSyntax(source: SourceText): Directive | undefined {
  const firstLine = source.text.startsWith('#!') ? 1 : 0;
  const slashed = readBlock(source, { firstLine, comment: '//' }).find(({ name }) => name === 'syntax');
  if (slashed !== undefined) return { value: slashed.value, range: slashed.range };
  return syntaxOfJson(source, source.lineStarts[firstLine] ?? 0);
}

function syntaxOfJson(source: SourceText, start: number): Directive | undefined {
  if (source.text[skipSpace(source.text, start)] !== '{') return undefined;
  try {
    const document: unknown = JSON.parse(source.text.slice(start));
    if (typeof document !== 'object' || document === null || !('syntax' in document)) return undefined;
    if (typeof document.syntax !== 'string') return undefined;
    return { value: document.syntax, range: locationBetween(source, start, start).range };
  } catch {
    return undefined;
  }
}
