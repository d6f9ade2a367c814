import { compilePathPattern, compilePatternList, hasWildcard, type PatternList } from '../../core/index.ts';

/** What `COPY --parents` takes: the paths that its pattern matches, and everything below them. */
export interface IncludeFilter {
  readonly patterns: PatternList;
  /** Whether something below a directory that does not match itself may match: the others need not be read. */
  mayMatchBelow(directory: string): boolean;
}

/** @throws BuildError `DOCKERFILE_INVALID` for a malformed pattern. */
export function createIncludeFilter(pattern: string): IncludeFilter {
  const parts = pattern.split('/');
  const deep = parts.findIndex((part) => part.includes('**'));
  const fixed = (deep < 0 ? parts : parts.slice(0, deep)).map((part) =>
    hasWildcard(part) || part.includes('\\') ? compilePathPattern(part).matches : (name: string) => name === part,
  );
  return {
    patterns: compilePatternList([pattern]),
    mayMatchBelow: (directory) => {
      const names = directory.split('/');
      if (deep < 0 && names.length >= fixed.length) return false;
      return names.every((name, index) => index >= fixed.length || fixed[index]?.(name) === true);
    },
  };
}
