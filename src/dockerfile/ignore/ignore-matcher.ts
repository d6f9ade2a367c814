import { BuildError, withLocation } from '../../core/index.ts';
import type { IgnoreRule } from './ignore-file.ts';
import { matchesTokens, mayMatchWithin, parseTokens, type TokenPattern } from './path-pattern.ts';

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

interface CompiledRule {
  readonly rule: IgnoreRule;
  readonly tokens: TokenPattern;
}

/** What is known of a directory: which rules took effect on it. */
interface KnownDirectory {
  readonly path: string;
  readonly matched: Uint8Array;
}

/**
 * Makes a matcher of rules, the last matching one decides (moby/patternmatcher, `MatchesUsingParentResults`: the way a
 * build context is walked). A rule that matches a directory holds for everything below it.
 *
 * @throws BuildError `IGNORE_FILE_SYNTAX` for a `!` alone and for a bad pattern, located where the rule has a location.
 */
export function createIgnoreMatcher(rules: readonly IgnoreRule[]): IgnoreMatcher {
  const compiled = rules.map(compileRule);
  const root: KnownDirectory = { path: '', matched: new Uint8Array(compiled.length) };
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
      above = { path: directory, matched: evaluate(compiled, { path: directory, above }).matched };
      known.push(above);
    }
    return known.at(-1) ?? root;
  };
  const look = (path: string): Evaluation => {
    if (path === '') return { matched: root.matched, decided: -1 };
    const trimmed = path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path;
    return evaluate(compiled, { path: trimmed, above: directoryAbove(trimmed) });
  };
  const decide = (path: string): IgnoreDecision => {
    const { decided } = look(path);
    const rule = compiled[decided]?.rule;
    return rule === undefined ? { ignored: false } : { ignored: !rule.negated, rule };
  };
  return {
    decide,
    matches: (path) => decide(path).ignored,
    mayIncludeBelow: (directory) => {
      const { decided } = look(directory);
      const within = directory === '' ? '' : `${directory}/`;
      return compiled.some(({ rule, tokens }, i) => i > decided && rule.negated && mayMatchWithin(tokens, within));
    },
  };
}

function isWithin(path: string, directory: string): boolean {
  return path.startsWith(directory) && (path.length === directory.length || path[directory.length] === '/');
}

function compileRule(rule: IgnoreRule): CompiledRule {
  try {
    if (rule.pattern === '') {
      throw new BuildError('IGNORE_FILE_SYNTAX', 'A "!" stands alone.', {
        hint: 'Put the pattern that shall be included again behind it, as in !README.md.',
      });
    }
    return { rule, tokens: parseTokens(rule.pattern, { deep: true, code: 'IGNORE_FILE_SYNTAX' }) };
  } catch (error) {
    throw rule.location === undefined ? error : withLocation(error, rule.location);
  }
}

interface Evaluation {
  readonly matched: Uint8Array;
  /** Index of the rule that decided; -1: none. */
  readonly decided: number;
}

/** A rule is only looked at when it could change the state; one that took effect above holds here too. */
function evaluate(
  rules: readonly CompiledRule[],
  { path, above }: { readonly path: string; readonly above: KnownDirectory },
): Evaluation {
  const matched = new Uint8Array(rules.length);
  let ignored = false;
  let decided = -1;
  for (let i = 0; i < rules.length; i++) {
    const { rule, tokens } = rules[i]!;
    if (above.matched[i] === 0 && (rule.negated !== ignored || !matchesTokens(tokens, path))) continue;
    matched[i] = 1;
    ignored = !rule.negated;
    decided = i;
  }
  return { matched, decided };
}
