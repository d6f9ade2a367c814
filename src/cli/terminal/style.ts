import type { TextOutput } from '../command.ts';

/** Puts colours and weights on a text, or nothing where the reader has none. */
export interface Style {
  readonly bold: (text: string) => string;
  readonly dim: (text: string) => string;
  readonly red: (text: string) => string;
  readonly green: (text: string) => string;
  readonly yellow: (text: string) => string;
  readonly blue: (text: string) => string;
  readonly cyan: (text: string) => string;
}

const CODES = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  blue: [34, 39],
  cyan: [36, 39],
} as const;

/** The style that is seen as plain text. */
export const PLAIN_STYLE: Style = createStyle(false);

export function createStyle(coloured: boolean): Style {
  const paint = (code: keyof typeof CODES) => (text: string) =>
    coloured && text !== '' ? `\x1b[${CODES[code][0]}m${text}\x1b[${CODES[code][1]}m` : text;
  return {
    bold: paint('bold'),
    dim: paint('dim'),
    red: paint('red'),
    green: paint('green'),
    yellow: paint('yellow'),
    blue: paint('blue'),
    cyan: paint('cyan'),
  };
}

/** Colours for terminals only; `NO_COLOR` (not empty) and `TERM=dumb` switch them off, `FORCE_COLOR` on. */
export function styleFor(output: TextOutput, env: Readonly<Record<string, string | undefined>>): Style {
  if ((env.NO_COLOR ?? '') !== '') return PLAIN_STYLE;
  if ((env.FORCE_COLOR ?? '') !== '' && env.FORCE_COLOR !== '0') return createStyle(true);
  return createStyle(output.isTerminal && env.TERM !== 'dumb');
}
