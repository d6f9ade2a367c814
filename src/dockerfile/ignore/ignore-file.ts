import type { SourceLocation } from '../../core/index.ts';
import { trimSpace } from '../characters.ts';
import { createSourceText, locationBetween } from '../source-text.ts';

/** One rule of an ignore file, or one `--exclude`. */
export interface IgnoreRule {
  /** Cleaned lexically, without leading slash and without `!`. */
  readonly pattern: string;
  /** `!`: what matches is included again. */
  readonly negated: boolean;
  /** Where it stands; absent for patterns that come from no file. */
  readonly location?: SourceLocation;
}

/**
 * Reads a `.dockerignore`: a pattern a line; `#` in the first column begins a comment; blanks around a pattern, blank
 * lines and a byte order mark do not count (moby/patternmatcher, `ignorefile`). Patterns are checked by
 * `createIgnoreMatcher`.
 */
export function parseIgnoreFile(text: string, { fileName }: { readonly fileName: string }): readonly IgnoreRule[] {
  const source = createSourceText(fileName, text);
  const rules: IgnoreRule[] = [];
  for (const [index, start] of source.lineStarts.entries()) {
    const line = source.text.slice(start, source.lineStarts[index + 1] ?? source.text.length);
    const written = trimSpace(line);
    if (line.startsWith('#') || written === '') continue;
    const column = start + line.indexOf(written);
    rules.push({ ...parseRule(written), location: locationBetween(source, column, column + written.length) });
  }
  return rules;
}

/** Rules from patterns that stand in no file, such as `--exclude`. Blank patterns are dropped. */
export function toIgnoreRules(patterns: readonly string[]): readonly IgnoreRule[] {
  return patterns
    .map(trimSpace)
    .filter((pattern) => pattern !== '')
    .map(parseRule);
}

function parseRule(written: string): IgnoreRule {
  const negated = written.startsWith('!');
  const pattern = negated ? trimSpace(written.slice(1)) : written;
  return { pattern: pattern === '' ? '' : withoutLeadingSlash(cleanPattern(pattern)), negated };
}

function withoutLeadingSlash(pattern: string): string {
  return pattern.length > 1 && pattern.startsWith('/') ? pattern.slice(1) : pattern;
}

/** As Go's `filepath.Clean`: `.` and empty parts go, `..` takes its parent along; nothing left is `.`. */
export function cleanPattern(pattern: string): string {
  const rooted = pattern.startsWith('/');
  const parts: string[] = [];
  for (const part of pattern.split('/')) {
    if (part === '' || part === '.') continue;
    if (part !== '..') parts.push(part);
    else if (parts.length > 0 && parts.at(-1) !== '..') parts.pop();
    else if (!rooted) parts.push(part);
  }
  return (rooted ? '/' : '') + parts.join('/') || '.';
}
