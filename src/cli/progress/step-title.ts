import { sanitizeLine } from '../terminal/sanitize.ts';

/** A step's name on one line: the line ends and indents of continued instructions become single spaces. */
export function stepTitle(name: string): string {
  return sanitizeLine(name.replace(/\s+/g, ' ').trim());
}
