/** A word of a line; `quoted` tells a name in quotes from an attribute that happens to look like it. */
export interface Token {
  readonly text: string;
  readonly quoted: boolean;
}

const TOKEN = /"((?:[^"\\]|\\.)*)"|(\S+)/g;

/** Splits a line at blanks; a part in double quotes is one word, and may hold the escapes of `resolveEscapes`. */
export function tokenize(line: string): readonly Token[] {
  return [...line.matchAll(TOKEN)].map(([, quoted, bare]) =>
    bare === undefined ? { text: resolveEscapes(quoted ?? ''), quoted: true } : { text: bare, quoted: false },
  );
}

const NAMED: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', '0': '\0' };

/** Resolves `\n`, `\t`, `\r`, `\0`, `\xHH` (a byte), and `\{N:text}` (the text N times); any other `\c` is `c`. */
export function resolveEscapes(text: string): string {
  return text.replace(/\\(?:x([0-9a-fA-F]{2})|\{(\d+):([^}]*)\}|([\s\S]))/g, (_, byte, count, repeated, char) => {
    if (byte !== undefined) return String.fromCharCode(Number.parseInt(byte, 16));
    if (count !== undefined) return String(repeated).repeat(Number(count));
    return NAMED[char] ?? char;
  });
}
