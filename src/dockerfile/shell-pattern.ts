import { BuildError } from '../core/index.ts';

// The patterns of `${v#p}`, `${v%p}` and `${v/p/r}`: `*` and `?` (neither matches a newline), `\` before `*`, `?` and `\`
// makes them literal, and before `}` and `/` it is only a separator. Brackets are literal (BuildKit's rule, not the
// shell's). Matching walks the value once per stretch between stars, so that no pattern can make it explode.

const ANY = Symbol('any character');
type Item = string | typeof ANY;

/** A pattern as the stretches between its stars; `a*b?` is `[['a'], ['b', ANY]]`. Always at least one stretch. */
export interface ShellPattern {
  readonly stretches: ReadonlyArray<readonly Item[]>;
}

/** @throws BuildError `DOCKERFILE_EXPANSION` for a backslash before any other character. */
export function parseShellPattern(text: string): ShellPattern {
  const stretches: Item[][] = [[]];
  const points = Array.from(text);
  for (let i = 0; i < points.length; i++) {
    let point = points[i]!;
    if (point === '*') {
      stretches.push([]);
      continue;
    }
    if (point === '?') {
      stretches.at(-1)!.push(ANY);
      continue;
    }
    if (point === '\\') {
      point = points[++i] ?? '';
      if (!'*?\\}/'.includes(point) || point === '') throw badEscape(text, point);
    }
    stretches.at(-1)!.push(point);
  }
  return { stretches };
}

function badEscape(pattern: string, point: string): BuildError {
  return new BuildError('DOCKERFILE_EXPANSION', `The pattern "${pattern}" cannot be used: "\\${point}" is no escape.`, {
    hint: 'A backslash in a pattern stands before *, ? or another backslash.',
  });
}

/** The pattern that matches reversed texts. */
function reversed(pattern: ShellPattern): ShellPattern {
  return { stretches: pattern.stretches.map((stretch) => [...stretch].reverse()).reverse() };
}

/** `${value#pattern}`, or with `longest` `${value##pattern}`. */
export function trimPrefix(value: string, pattern: ShellPattern, longest: boolean): string {
  const points = Array.from(value);
  const end = createMatcher(points, pattern, longest)(0);
  return end === undefined ? value : points.slice(end).join('');
}

/** `${value%pattern}`, or with `longest` `${value%%pattern}`. */
export function trimSuffix(value: string, pattern: ShellPattern, longest: boolean): string {
  const points = Array.from(value).reverse();
  const end = createMatcher(points, reversed(pattern), longest)(0);
  return end === undefined ? value : points.slice(end).reverse().join('');
}

/** `${value/pattern/replacement}`, or with `all` `${value//pattern/replacement}`: leftmost, longest matches. */
export function replacePattern(
  value: string,
  pattern: ShellPattern,
  { replacement, all }: { readonly replacement: string; readonly all: boolean },
): string {
  const points = Array.from(value);
  const matchAt = createMatcher(points, pattern, true);
  const result: string[] = [];
  let copied = 0;
  let lastEnd = -1;
  for (let start = 0; start <= points.length; ) {
    const end = matchAt(start);
    // An empty match right behind a match does not count.
    if (end === undefined || (end === start && start === lastEnd)) {
      start++;
      continue;
    }
    result.push(points.slice(copied, start).join(''), replacement);
    copied = end;
    lastEnd = end;
    if (!all) break;
    start = end > start ? end : start + 1;
  }
  result.push(points.slice(copied).join(''));
  return result.join('');
}

type StretchSearch = (from: number) => number | undefined;

/** A function from a start to the end of the shortest or longest match that begins there. Starts must not decrease. */
function createMatcher(
  points: readonly string[],
  pattern: ShellPattern,
  longest: boolean,
): (start: number) => number | undefined {
  const [first, ...later] = pattern.stretches;
  const lineEnd = createLineEndSearch(points);
  const searches = later.map((stretch, i) =>
    longest && i === later.length - 1
      ? createLastSearch(points, stretch, lineEnd)
      : createNextSearch(points, stretch, lineEnd),
  );
  return (start) => {
    if (!matchesAt(points, first!, start)) return undefined;
    let end = start + first!.length;
    for (const [i, search] of searches.entries()) {
      const found = search(end);
      if (found === undefined) return undefined;
      end = found + later[i]!.length;
    }
    return end;
  };
}

function matchesAt(points: readonly string[], stretch: readonly Item[], at: number): boolean {
  if (at + stretch.length > points.length) return false;
  return stretch.every((item, i) => (item === ANY ? points[at + i] !== '\n' : points[at + i] === item));
}

/** The first newline at or after a position, or the end: as far as a star reaches. Remembers its last answer. */
function createLineEndSearch(points: readonly string[]): (from: number) => number {
  let known = { from: 0, end: -1 };
  return (from) => {
    if (from < known.from || from > known.end) {
      const newline = points.indexOf('\n', from);
      known = { from, end: newline < 0 ? points.length : newline };
    }
    return known.end;
  };
}

/** Where a stretch first stands within a star's reach. Remembers its last answer, so that rising starts cost one walk. */
function createNextSearch(
  points: readonly string[],
  stretch: readonly Item[],
  lineEnd: (from: number) => number,
): StretchSearch {
  let known: { from: number; until: number; found: number | undefined } = { from: 0, until: -1, found: undefined };
  return (from) => {
    if (from >= known.from && from <= known.until) return known.found;
    const end = lineEnd(from);
    let at = from;
    while (at <= end && !matchesAt(points, stretch, at)) at++;
    known = { from, until: Math.min(at, end), found: at <= end ? at : undefined };
    return known.found;
  };
}

/** Where a stretch last stands within a star's reach. */
function createLastSearch(
  points: readonly string[],
  stretch: readonly Item[],
  lineEnd: (from: number) => number,
): StretchSearch {
  let known: { end: number; lowest: number; found: number | undefined } = { end: -1, lowest: 0, found: undefined };
  return (from) => {
    const end = lineEnd(from);
    if (end !== known.end || from < known.lowest) {
      let at = end;
      while (at >= from && !matchesAt(points, stretch, at)) at--;
      known = { end, lowest: from, found: at >= from ? at : undefined };
    }
    return known.found !== undefined && known.found >= from ? known.found : undefined;
  };
}
