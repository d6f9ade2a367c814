/** One thing in which two images are not equal. */
export interface Difference {
  /** A path in the root file system, or `config`. */
  readonly path: string;
  /** What differs: `mode`, `xattrs`, `presence`, `config.Env`, … */
  readonly field: string;
  readonly ours: string;
  readonly theirs: string;
}

/** A difference that is right, and why. */
export interface Allowance {
  /** A path, or a pattern between slashes: `/^var\/log\//`. */
  readonly path: string;
  /** A field, or `*` for all of them. */
  readonly field: string;
  readonly reason: string;
}

export interface Judgement {
  /** What no allowance covers: the images are not equal. */
  readonly unexplained: readonly Difference[];
  /** Allowances that nothing needed. A list that only grows proves nothing, so these count as mistakes too. */
  readonly unused: readonly Allowance[];
}

/**
 * Sorts differences into explained and unexplained ones. `everywhere` holds what may differ in any image, and so may be
 * needed or not.
 */
export function judge(
  differences: readonly Difference[],
  allowances: readonly Allowance[],
  everywhere: readonly Allowance[] = [],
): Judgement {
  const covers = (allowance: Allowance, { path, field }: Difference): boolean =>
    (allowance.field === '*' || allowance.field === field) && matches(allowance.path, path);
  return {
    unexplained: differences.filter(
      (each) => ![...allowances, ...everywhere].some((allowance) => covers(allowance, each)),
    ),
    unused: allowances.filter((allowance) => !differences.some((each) => covers(allowance, each))),
  };
}

/** One line for each difference, at most `limit` of them. */
export function formatDifferences(differences: readonly Difference[], limit = 40): string {
  const lines = differences
    .slice(0, limit)
    .map(({ path, field, ours, theirs }) => `${JSON.stringify(path)} ${field}: ours ${ours}, theirs ${theirs}`);
  const rest = differences.length - lines.length;
  return [...lines, ...(rest > 0 ? [`and ${rest} more`] : [])].join('\n');
}

function matches(pattern: string, path: string): boolean {
  const expression = /^\/(.+)\/$/.exec(pattern)?.[1];
  return expression === undefined ? pattern === path : new RegExp(expression).test(path);
}
