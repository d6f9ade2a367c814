const ESCAPE_SEQUENCES =
  /\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~])|\x9b[0-?]*[ -/]*[@-~]/g;
const CONTROLS = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;
const TAB_STOP = 8;

/**
 * One line of a command's output as a terminal would end up showing it: what a carriage return overwrites is dropped,
 * tabs become spaces, and nothing is left that could move the cursor or change the terminal.
 */
export function sanitizeLine(line: string): string {
  const plain = line.replace(ESCAPE_SEQUENCES, '');
  const shown = plain.includes('\r') ? (plain.split('\r').findLast((part) => part.trim() !== '') ?? '') : plain;
  return expandTabs(shown.replace(CONTROLS, ''));
}

/** A text for people from outside (an error message, a name): no control characters but line ends. */
export function sanitizeText(text: string): string {
  return text.split('\n').map(sanitizeLine).join('\n');
}

function expandTabs(line: string): string {
  if (!line.includes('\t')) return line;
  let expanded = '';
  for (const part of line.split(/(\t)/)) {
    expanded += part === '\t' ? ' '.repeat(TAB_STOP - (expanded.length % TAB_STOP)) : part;
  }
  return expanded;
}
