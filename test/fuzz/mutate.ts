/** Makes inputs out of a corpus: the same seed gives the same ones. */
export interface Mutator {
  /** A text made of one of the corpus by a few changes; at most `MAX_LENGTH` characters long. */
  next(): string;
}

export interface MutatorInput {
  readonly random: () => number;
  readonly corpus: readonly string[];
  /** Pieces that mean something in the language. */
  readonly tokens: readonly string[];
}

/** Longer inputs find nothing that these do not, and take longer. */
export const MAX_LENGTH = 2000;
const MAX_CHANGES = 6;
const MAX_SPAN = 12;
const MAX_REPEATS = 40;

export function createMutator({ random, corpus, tokens }: MutatorInput): Mutator {
  const below = (limit: number): number => Math.floor(random() * limit);
  const pick = (items: readonly string[]): string => items[below(items.length)] ?? '';
  const character = (): string => {
    const limit = random() < 0.7 ? 0x80 : random() < 0.9 ? 0x3000 : 0x11_0000;
    return String.fromCodePoint(below(limit));
  };
  const span = (text: string): readonly [number, number] => {
    const start = below(text.length + 1);
    return [start, Math.min(text.length, start + below(MAX_SPAN))];
  };
  const changes: ReadonlyArray<(text: string) => string> = [
    (text) => splice(text, span(text), ''),
    (text) => splice(text, span(text), pick(tokens)),
    (text) => insert(text, below(text.length + 1), pick(tokens)),
    (text) => insert(text, below(text.length + 1), character()),
    (text) => insert(text, below(text.length + 1), pick(tokens).repeat(1 + below(MAX_REPEATS))),
    (text) => {
      const [start, end] = span(text);
      return insert(text, below(text.length + 1), text.slice(start, end));
    },
    (text) => {
      const other = pick(corpus);
      return text.slice(0, below(text.length + 1)) + other.slice(below(other.length + 1));
    },
    (text) => {
      const lines = text.split('\n');
      const [line = ''] = lines.splice(below(lines.length), 1);
      lines.splice(below(lines.length + 1), 0, line);
      return lines.join('\n');
    },
  ];
  return {
    next() {
      let text = pick(corpus);
      for (let count = 1 + below(MAX_CHANGES); count > 0; count--) text = changes[below(changes.length)]!(text);
      return text.slice(0, MAX_LENGTH);
    },
  };
}

function splice(text: string, [start, end]: readonly [number, number], put: string): string {
  return text.slice(0, start) + put + text.slice(end);
}

function insert(text: string, at: number, put: string): string {
  return text.slice(0, at) + put + text.slice(at);
}
