/** A word of an instruction in which buildah puts the values of variables: nothing in it is one. */
export function literalWord(text: string): string {
  return text.replace(/[\\$"']/g, '\\$&');
}

/** A value of ENV or LABEL in quotes. */
export function quotedValue(text: string): string {
  return `"${text.replace(/[\\$"`]/g, '\\$&')}"`;
}

/** A JSON form. Whatever could look like the begin of a heredoc is escaped. */
export function jsonWords(words: readonly string[]): string {
  return JSON.stringify(words).replaceAll('<', '\\u003c');
}

/** The longest line that buildah's parser takes is 64 KiB. */
const LONGEST_LINE = 32_000;

/** An instruction on as many lines as its length needs. A line never begins or ends with what could be misread. */
export function foldLine(line: string): string {
  if (line.length <= LONGEST_LINE) return line;
  const lines: string[] = [];
  for (let at = 0; at < line.length; ) {
    let end = Math.min(at + LONGEST_LINE, line.length);
    while (end < line.length && !(/\w/.test(line[end]!) && /\w/.test(line[end - 1]!)) && end > at + 1) end -= 1;
    lines.push(line.slice(at, end));
    at = end;
  }
  return lines.join('\\\n');
}
