import { BuildError, bytePathOf } from '../../core/index.ts';

/**
 * Text for a POSIX shell. Everything here works on byte strings (one character per byte), so that names of any encoding
 * reach the shell unchanged; `bytePathOf` makes one of an ordinary text.
 */

/** A word that the shell takes literally. */
export function quoteWord(bytes: string): string {
  return `'${bytes.replaceAll("'", `'\\''`)}'`;
}

/**
 * An ordinary text as a literal word.
 *
 * @throws BuildError `UNSUPPORTED` for a NUL, which no argument or variable of a process can hold.
 */
export function quoteText(text: string): string {
  if (text.includes('\0')) {
    throw new BuildError('UNSUPPORTED', 'A NUL character cannot be passed to a command.', {
      hint: 'Arguments and environment variables end at the first NUL; remove it.',
    });
  }
  return quoteWord(bytePathOf(text));
}

/** A `printf` command that writes exactly these bytes: printf is built into the shell, so they show up in no process list. */
export function printfOf(bytes: Uint8Array): string {
  let format = '';
  for (const byte of bytes) {
    const plain = byte >= 0x20 && byte < 0x7f && byte !== 0x25 && byte !== 0x27 && byte !== 0x5c;
    format += plain ? String.fromCharCode(byte) : `\\${byte.toString(8).padStart(3, '0')}`;
  }
  // A leading "-" would be read as an option.
  return `printf -- '${format}'`;
}

/** A field of an fstab: blanks, backslashes and `#` become octal escapes. */
export function fstabField(bytes: string): string {
  return bytes.replace(/[ \t\n\\#]/g, (character) => `\\${character.charCodeAt(0).toString(8).padStart(3, '0')}`);
}
