/** White space as Go's `unicode.IsSpace` has it: includes U+0085 and U+00A0, not U+FEFF. */
export function isSpace(code: number): boolean {
  if (code <= 0x20) return code === 0x20 || (code >= 0x09 && code <= 0x0d);
  if (code < 0x85) return false;
  return (
    code === 0x85 ||
    code === 0xa0 ||
    code === 0x1680 ||
    (code >= 0x2000 && code <= 0x200a) ||
    code === 0x2028 ||
    code === 0x2029 ||
    code === 0x202f ||
    code === 0x205f ||
    code === 0x3000
  );
}

/** First index at or after `index` that is no white space; `end` where there is none. */
export function skipSpace(text: string, index: number, end = text.length): number {
  let at = index;
  while (at < end && isSpace(text.charCodeAt(at))) at++;
  return at;
}

/** The index after the last character before `end` that is no white space; `start` where there is none. */
export function trimEndIndex(text: string, start: number, end: number): number {
  let at = end;
  while (at > start && isSpace(text.charCodeAt(at - 1))) at--;
  return at;
}

/** Removes white space at both ends. */
export function trimSpace(text: string): string {
  const start = skipSpace(text, 0);
  return text.slice(start, trimEndIndex(text, start, text.length));
}
