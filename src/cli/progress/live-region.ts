import type { TextOutput } from '../command.ts';
import { textWidth } from '../terminal/text-width.ts';

const HIDE_CURSOR = '\x1b[?25l';
const SHOW_CURSOR = '\x1b[?25h';
/** Terminals that know synchronized updates show a frame at once; the others ignore it. */
const BEGIN_UPDATE = '\x1b[?2026h';
const END_UPDATE = '\x1b[?2026l';
const ERASE_LINE_END = '\x1b[K';
const ERASE_BELOW = '\x1b[J';
const STYLES = /\x1b\[[0-9;]*m/g;

/** The last lines of a terminal, redrawn in place. What is printed above them stays. */
export interface LiveRegion {
  /** Prints `lasting` lines for good and draws `frame` below them, in one write. */
  update(lasting: readonly string[], frame: readonly string[]): void;
  /** Gives the terminal back; the frame is erased. */
  close(): void;
}

/** The lines given must be narrower than the terminal: one column stays free, where terminals differ about wrapping. */
export function createLiveRegion(output: TextOutput): LiveRegion {
  let drawn: readonly string[] = [];
  let last = '';
  let open = false;

  const update = (lasting: readonly string[], frame: readonly string[]): void => {
    const text = frame.join('\n');
    if (lasting.length === 0 && text === last) return;
    const up = heightOf(drawn, output.columns());
    const lines = [...lasting, ...frame].map((line) => `${line}${ERASE_LINE_END}\n`).join('');
    const start = `${open ? '' : HIDE_CURSOR}${BEGIN_UPDATE}\r${up === 0 ? '' : `\x1b[${up}A`}`;
    output.write(`${start}${lines}${ERASE_BELOW}${END_UPDATE}`);
    open = true;
    drawn = frame;
    last = text;
  };
  const close = (): void => {
    if (!open) return;
    update([], []);
    output.write(SHOW_CURSOR);
    open = false;
  };
  return { update, close };
}

/** Rows that lines take now: a terminal that became narrower has wrapped what was drawn before. */
function heightOf(lines: readonly string[], columns: number | undefined): number {
  const width = Math.max(1, columns ?? 80);
  return lines.reduce((rows, line) => rows + Math.max(1, Math.ceil(textWidth(line.replace(STYLES, '')) / width)), 0);
}
