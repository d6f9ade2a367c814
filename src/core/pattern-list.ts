import { BuildError } from './errors.ts';
import { compilePathPattern } from './path-pattern.ts';
import type { TokenOptions } from './pattern-tokens.ts';
import { trimSpace } from './white-space.ts';

/** One pattern of a list, such as a line of an ignore file. */
export interface PatternRule {
  /** Cleaned lexically, without leading slash and without `!`. */
  readonly pattern: string;
  /** `!`: takes back what earlier rules matched. */
  readonly negated: boolean;
}

/** What a list says of a path. A walk hands it from a directory to its children. */
export interface PatternListMatch {
  readonly matched: boolean;
  /** Index of the rule that decided; -1: none matched. */
  readonly decided: number;
  /** By rule: 1 where it took effect on this path or a directory above it. */
  readonly byRule: Uint8Array;
}

/** An ordered list of rules; the last one that matches decides. A rule that matches a directory holds for all below it. */
export interface PatternList {
  /** The verdict on a path, from that on its parent; without it, on a path of one component. */
  match(path: string, parent?: PatternListMatch): PatternListMatch;
  /** Whether something below a directory may come out otherwise than the directory itself: a walk may skip it if not. */
  mayChangeBelow(directory: string, match: PatternListMatch): boolean;
}

/**
 * Reads one pattern of a list: white space around it is dropped, `!` is taken off, the rest is cleaned lexically, and a
 * leading slash means nothing (moby/patternmatcher, `New`). Undefined for a blank one.
 */
export function parsePatternRule(text: string): PatternRule | undefined {
  const written = trimSpace(text);
  if (written === '') return undefined;
  const negated = written.startsWith('!');
  const pattern = negated ? trimSpace(written.slice(1)) : written;
  return { pattern: pattern === '' ? '' : withoutLeadingSlash(cleanPattern(pattern)), negated };
}

/**
 * Compiles the rules of an ignore file, or of `COPY --exclude` and `--parents` (moby/patternmatcher,
 * `MatchesUsingParentResults`, decides: the way in which the reference walks).
 *
 * @throws BuildError `code` for a `!` alone and for a malformed pattern.
 */
export function compilePatternList(rules: readonly PatternRule[], code: TokenOptions['code']): PatternList {
  const compiled = rules.map((rule) => ({ negated: rule.negated, ...compileRule(rule, code) }));
  const root = new Uint8Array(compiled.length);
  return {
    /** A rule is only looked at when it could change the state; one that took effect above holds here too. */
    match: (path, parent) => {
      const above = parent?.byRule ?? root;
      const byRule = new Uint8Array(compiled.length);
      let matched = false;
      let decided = -1;
      for (let index = 0; index < compiled.length; index++) {
        const { negated, matches } = compiled[index]!;
        if (above[index] === 0 && (negated !== matched || !matches(path))) continue;
        byRule[index] = 1;
        matched = !negated;
        decided = index;
      }
      return { matched, decided, byRule };
    },
    // The rule that decided holds below as well, so only later ones can change anything.
    mayChangeBelow: (directory, { matched, decided }) =>
      compiled.some(
        ({ negated, mayMatchBelow }, index) => index > decided && negated === matched && mayMatchBelow(directory),
      ),
  };
}

function compileRule({ pattern }: PatternRule, code: TokenOptions['code']): ReturnType<typeof compilePathPattern> {
  if (pattern !== '') return compilePathPattern(pattern, { deep: true, code });
  throw new BuildError(code, 'A "!" stands alone.', {
    hint: 'Put the pattern that shall be included again behind it, as in !README.md.',
  });
}

function withoutLeadingSlash(pattern: string): string {
  return pattern.length > 1 && pattern.startsWith('/') ? pattern.slice(1) : pattern;
}

/** As Go's `filepath.Clean`: `.` and empty parts go, `..` takes its parent along; nothing left is `.`. */
function cleanPattern(pattern: string): string {
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
