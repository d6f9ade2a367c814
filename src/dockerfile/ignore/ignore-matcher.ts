import { compilePatternList, type PatternList, type PatternListMatch, withLocation } from '../../core/index.ts';
import type { IgnoreRule } from './ignore-file.ts';

/** Whether a path is ignored, and by which rule that was decided; no rule: none matched. */
export interface IgnoreDecision {
  readonly ignored: boolean;
  readonly rule?: IgnoreRule;
}

/**
 * Decides over paths relative to the root of the context, as text, separated by `/`, without slash at either end. It
 * remembers the directories above the last path, so a walk in depth-first order costs one look at the rules a path.
 */
export interface IgnoreMatcher {
  /** Whether the path, or a directory above it, is ignored. The root (empty path) never is. */
  readonly matches: (path: string) => boolean;
  /** As `matches`, with the rule that decided. */
  readonly decide: (path: string) => IgnoreDecision;
  /** Whether anything below an ignored directory could be included again: if not, a walker need not enter it. */
  readonly mayIncludeBelow: (directory: string) => boolean;
}

/** What is known of a directory. */
interface KnownDirectory {
  readonly path: string;
  readonly match: PatternListMatch | undefined;
}

/**
 * Makes a matcher of rules, the last matching one decides (moby/patternmatcher, `MatchesUsingParentResults`: the way a
 * build context is walked). A rule that matches a directory holds for everything below it.
 *
 * @throws BuildError `IGNORE_FILE_SYNTAX` for a `!` alone and for a bad pattern, located where the rule has a location.
 */
export function createIgnoreMatcher(rules: readonly IgnoreRule[]): IgnoreMatcher {
  const list = compileRules(rules);
  const root: KnownDirectory = { path: '', match: undefined };
  let known: KnownDirectory[] = [];

  const directoryAbove = (path: string): KnownDirectory => {
    const slash = path.lastIndexOf('/');
    if (slash <= 0) {
      known = [];
      return root;
    }
    const parent = path.slice(0, slash);
    while (known.length > 0 && !isWithin(parent, known.at(-1)!.path)) known.pop();
    for (let above = known.at(-1) ?? root; above.path !== parent; ) {
      const next = parent.indexOf('/', above.path === '' ? 1 : above.path.length + 1);
      const directory = next < 0 ? parent : parent.slice(0, next);
      above = { path: directory, match: list.match(directory, above.match) };
      known.push(above);
    }
    return known.at(-1) ?? root;
  };
  const look = (path: string): PatternListMatch => {
    const trimmed = path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path;
    return list.match(trimmed, directoryAbove(trimmed).match);
  };
  const decide = (path: string): IgnoreDecision => {
    const rule = path === '' ? undefined : rules[look(path).decided];
    return rule === undefined ? { ignored: false } : { ignored: !rule.negated, rule };
  };
  return {
    decide,
    matches: (path) => decide(path).ignored,
    mayIncludeBelow: (directory) => list.mayChangeBelow(directory, look(directory)),
  };
}

function isWithin(path: string, directory: string): boolean {
  return path.startsWith(directory) && (path.length === directory.length || path[directory.length] === '/');
}

/** Compiled one by one first, so that an error points at its rule. */
function compileRules(rules: readonly IgnoreRule[]): PatternList {
  for (const rule of rules) {
    try {
      compilePatternList([rule], 'IGNORE_FILE_SYNTAX');
    } catch (error) {
      throw rule.location === undefined ? error : withLocation(error, rule.location);
    }
  }
  return compilePatternList(rules, 'IGNORE_FILE_SYNTAX');
}
