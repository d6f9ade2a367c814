// White space in the Dockerfile language is Unicode's in most places (Go's `unicode.IsSpace`), and ASCII without the
// newline where words are split (the reference's `[\t\v\f\r ]`). JavaScript's `\s` is neither.

export { isSpace, skipSpace, trimEndIndex, trimSpace } from '../core/index.ts';

/** What separates the words of an instruction. */
export function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09 || (code >= 0x0b && code <= 0x0d);
}
