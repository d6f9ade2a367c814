import { type PatternRule, parsePatternRule, type SourceLocation, trimSpace } from '../../core/index.ts';
import { createSourceText, locationBetween } from '../source-text.ts';

/** One rule of an ignore file. */
export interface IgnoreRule extends PatternRule {
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
    const rule = line.startsWith('#') ? undefined : parsePatternRule(written);
    if (rule === undefined) continue;
    const column = start + line.indexOf(written);
    rules.push({ ...rule, location: locationBetween(source, column, column + written.length) });
  }
  return rules;
}

/** Rules from patterns that stand in no file. Blank patterns are dropped. */
export function toIgnoreRules(patterns: readonly string[]): readonly IgnoreRule[] {
  return patterns.map(parsePatternRule).filter((rule) => rule !== undefined);
}
