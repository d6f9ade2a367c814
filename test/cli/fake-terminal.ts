import type { TextOutput } from '../../src/cli/command.ts';
import { textWidth } from '../../src/cli/terminal/text-width.ts';

interface Row {
  /** One entry a column; the second column of a wide character is empty. */
  cells: string[];
  /** The next row belongs to the same line. */
  wraps: boolean;
}

/** A terminal that understands what a display may send, wraps long lines, and wraps anew when it is resized. */
export interface FakeTerminal extends TextOutput {
  resize(columns: number): void;
  /** Everything that can be seen or scrolled to, without blanks at the ends of lines and of the screen. */
  readonly lines: () => readonly string[];
  readonly writes: () => number;
  readonly cursorVisible: () => boolean;
  /** Sequences that a terminal of another kind might not know. */
  readonly unknown: () => readonly string[];
}

const SEQUENCE = /^\x1b\[([?0-9;]*)([A-Za-z])/;

export function createFakeTerminal(initial: { readonly columns: number; readonly rows: number }): FakeTerminal {
  let columns = initial.columns;
  let screen: Row[] = [newRow()];
  let row = 0;
  let column = 0;
  let writes = 0;
  let visible = true;
  const unknown: string[] = [];

  const at = (index: number): Row => {
    while (screen.length <= index) screen.push(newRow());
    return screen[index]!;
  };
  const put = (character: string): void => {
    const width = textWidth(character);
    if (width === 0) return;
    if (column + width > columns) {
      at(row).wraps = true;
      row++;
      column = 0;
    }
    const { cells } = at(row);
    while (cells.length < column) cells.push(' ');
    cells[column] = character;
    for (let extra = 1; extra < width; extra++) cells[column + extra] = '';
    column += width;
  };
  const control = (parameters: string, final: string): void => {
    if (final === 'A') row = Math.max(0, row - Number(parameters || 1));
    else if (final === 'K') Object.assign(at(row), { cells: at(row).cells.slice(0, column), wraps: false });
    else if (final === 'J') {
      at(row).cells.length = Math.min(at(row).cells.length, column);
      screen.length = row + 1;
    } else if (parameters === '?25') visible = final === 'h';
    else if (final !== 'm' && parameters !== '?2026') unknown.push(`${parameters}${final}`);
  };
  const write = (text: string): void => {
    writes++;
    for (let rest = text; rest !== ''; ) {
      const sequence = SEQUENCE.exec(rest);
      const character = String.fromCodePoint(rest.codePointAt(0)!);
      if (sequence !== null) control(sequence[1]!, sequence[2]!);
      else if (character === '\r') column = 0;
      else if (character === '\n') {
        row++;
        column = 0;
        at(row);
      } else put(character);
      rest = rest.slice(sequence === null ? character.length : sequence[0].length);
    }
  };
  const resize = (width: number): void => {
    const below = screen.length - row;
    const joined: string[][] = [];
    screen.forEach(({ cells }, index) => {
      if (index > 0 && screen[index - 1]!.wraps) joined.at(-1)!.push(...cells);
      else joined.push([...cells]);
    });
    columns = width;
    screen = joined.flatMap((cells) => wrapCells(cells, width));
    row = screen.length - below;
  };
  return {
    write,
    resize,
    isTerminal: true,
    columns: () => columns,
    rows: () => initial.rows,
    lines: () => trimEnd(screen.map(({ cells }) => cells.join('').trimEnd())),
    writes: () => writes,
    cursorVisible: () => visible,
    unknown: () => unknown,
  };
}

function newRow(): Row {
  return { cells: [], wraps: false };
}

function wrapCells(cells: readonly string[], columns: number): Row[] {
  const rows: Row[] = [];
  for (let start = 0; start < Math.max(1, cells.length); start += columns) {
    rows.push({ cells: cells.slice(start, start + columns), wraps: start + columns < cells.length });
  }
  return rows;
}

function trimEnd(lines: readonly string[]): readonly string[] {
  const last = lines.findLastIndex((line) => line !== '');
  return lines.slice(0, last + 1);
}
