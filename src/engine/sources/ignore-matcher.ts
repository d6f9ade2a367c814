import { type BytePath, type SourceLocation, textOfPath } from '../../core/index.ts';

/** The verdict of an ignore file on a path, with the rule that decided. */
export interface IgnoreVerdict {
  readonly ignored: boolean;
  readonly rule?: { readonly pattern: string; readonly negated: boolean; readonly location?: SourceLocation };
}

/**
 * The compiled rules of an ignore file. Paths are text, relative to the context, with `/` between components; what lies below
 * an ignored directory is ignored unless a later rule takes it back.
 */
export interface IgnoreMatcher {
  readonly decide: (path: string) => IgnoreVerdict;
  /** Whether something below an ignored directory may not be ignored: then the directory has to be read. */
  readonly mayIncludeBelow: (directory: string) => boolean;
}

/** What a walk does with a path. `only-if-needed`: an ignored directory that stays when something below it does. */
export type IgnoreDecision = 'keep' | 'drop' | 'only-if-needed';

const NON_ASCII = /[^\u0000-\u007f]/;

export function decideIgnore(ignore: IgnoreMatcher | undefined, path: BytePath): IgnoreDecision {
  if (ignore === undefined || path === '') return 'keep';
  const text = toText(path);
  if (!ignore.decide(text).ignored) return 'keep';
  return ignore.mayIncludeBelow(text) ? 'only-if-needed' : 'drop';
}

/** A function that names the rule which hides a path, for errors. */
export function ignoredBy(
  ignore: IgnoreMatcher | undefined,
): (path: BytePath) => { readonly fileName: string; readonly line: number; readonly pattern: string } | undefined {
  return (path) => {
    const verdict = path === '' ? undefined : ignore?.decide(toText(path));
    if (verdict?.ignored !== true || verdict.rule === undefined) return undefined;
    const { pattern, location } = verdict.rule;
    return { fileName: location?.fileName ?? '.dockerignore', line: location?.range.start.line ?? 0, pattern };
  };
}

/** Free for ASCII names. */
function toText(path: BytePath): string {
  return NON_ASCII.test(path) ? textOfPath(path) : path;
}
