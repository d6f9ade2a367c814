/** How far a search for nearest words goes. */
export interface NearestOptions {
  /** Words to return; default 1. */
  readonly maxWords?: number;
  /** Only so many candidates are looked at; default 500: more of them come from a generator, not from a hand that slips. */
  readonly maxCandidates?: number;
}

const MAX_WORD_LENGTH = 64;

/** The candidate nearest to a mistyped word, as of `nearestWords`. */
export function nearestWord(word: string, candidates: Iterable<string>): string | undefined {
  return nearestWords(word, candidates)[0];
}

/**
 * The candidates nearest to a mistyped word, the nearest first, by edits of one letter (a swap of neighbours counts once),
 * ignoring case. Those too far to be meant are left out: more than one edit per three letters.
 */
export function nearestWords(
  word: string,
  candidates: Iterable<string>,
  { maxWords = 1, maxCandidates = 500 }: NearestOptions = {},
): readonly string[] {
  if (word.length > MAX_WORD_LENGTH) return [];
  const wanted = word.toLowerCase();
  const limit = Math.max(1, Math.ceil(wanted.length / 3));
  const near: { readonly candidate: string; readonly distance: number }[] = [];
  let left = maxCandidates;
  for (const candidate of candidates) {
    if (left-- === 0) break;
    if (Math.abs(candidate.length - wanted.length) > limit) continue;
    const distance = editDistance(wanted, candidate.toLowerCase());
    if (distance <= limit) near.push({ candidate, distance });
  }
  near.sort((a, b) => a.distance - b.distance);
  return near.slice(0, maxWords).map(({ candidate }) => candidate);
}

/** Insertions, deletions, replacements and swaps of neighbours (optimal string alignment). */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      let value = Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + cost);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        value = Math.min(value, beforeLast[j - 2]! + 1);
      }
      row.push(value);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length]!;
}
