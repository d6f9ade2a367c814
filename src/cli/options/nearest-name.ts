import { nearestWord } from '../../core/index.ts';

/** The candidate that a mistyped word most likely meant; undefined when none is close enough to be worth naming. */
export function nearestName(word: string, candidates: Iterable<string>): string | undefined {
  return nearestWord(word, candidates) ?? uniqueExtension(word, candidates);
}

function uniqueExtension(word: string, candidates: Iterable<string>): string | undefined {
  if (word.length < 3) return undefined;
  const longer = [...candidates].filter((candidate) => candidate.startsWith(word));
  return longer.length === 1 ? longer[0] : undefined;
}
