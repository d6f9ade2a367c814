import { sanitizeLine } from '../terminal/sanitize.ts';

/** A command that writes without line ends is shown in pieces of this many characters. */
const MAX_LINE_LENGTH = 64 * 1024;

/** Puts together the lines of a command's output, which comes in pieces. */
export interface LineSplitter {
  /** Lines that are complete now, fit to be shown. */
  push(text: string): readonly string[];
  /** What was written since the last line end, as a line of its own. */
  flush(): readonly string[];
}

export function createLineSplitter(): LineSplitter {
  let rest = '';
  return {
    push: (text) => {
      const parts = (rest + text).split('\n');
      rest = parts.pop()!;
      const lines = parts.map((line) => sanitizeLine(line));
      if (rest.length < MAX_LINE_LENGTH) return lines;
      const piece = sanitizeLine(rest);
      rest = '';
      return [...lines, piece];
    },
    flush: () => {
      const line = sanitizeLine(rest);
      rest = '';
      return line === '' ? [] : [line];
    },
  };
}
