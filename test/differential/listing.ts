import { type Token, tokenize } from './tokens.ts';

/**
 * One name in a file system, as a line of a case says it:
 *
 *     file 0644 0:0 /etc/motd "hello\n"
 *     dir 0755 /srv
 *     symlink /bin/sh -> busybox
 *     hardlink /b = /a
 *     absent /tmp/secret
 *
 * What a line leaves out is not stated. Paths have no slash at their start here, and one character per byte.
 */
export interface ListedNode {
  readonly kind: 'file' | 'directory' | 'symlink' | 'hardlink' | 'fifo' | 'char' | 'absent';
  readonly path: string;
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  /** Seconds since the epoch. */
  readonly mtime?: number;
  /** Target of a symlink, or the other name of a hard link. */
  readonly link?: string;
  readonly content?: string;
}

const KINDS: Readonly<Record<string, ListedNode['kind']>> = {
  file: 'file',
  dir: 'directory',
  symlink: 'symlink',
  hardlink: 'hardlink',
  fifo: 'fifo',
  char: 'char',
  absent: 'absent',
};

/** True for a line that `parseNode` reads. */
export function isNodeLine(line: string): boolean {
  const [word = ''] = line.split(' ', 1);
  return word in KINDS;
}

/** Reads a line; throws where it is none. */
export function parseNode(line: string): ListedNode {
  const [first, ...rest] = tokenize(line);
  const kind = KINDS[first?.text ?? ''];
  if (kind === undefined) throw new Error(`"${line}" does not begin with a kind of file.`);
  const { attributes, words } = parseAttributes(rest);
  const [name, sign, link, ...more] = words;
  if (name === undefined) throw new Error(`"${line}" names no path.`);
  const path = name.text.replace(/^\/+/, '');
  if (sign === undefined) return { kind, path, ...attributes };
  if (sign.quoted && link === undefined) return { kind, path, ...attributes, content: sign.text };
  if (!['->', '='].includes(sign.text) || link === undefined || more.length > 0)
    throw new Error(`"${line}" is not understood after the path.`);
  return { kind, path, ...attributes, link: sign.text === '=' ? link.text.replace(/^\/+/, '') : link.text };
}

/** Takes `0755`, `0:0` and `@1700000000` (a time) out of words; the others stay in order. */
export function parseAttributes(tokens: readonly Token[]): {
  readonly attributes: Pick<ListedNode, 'mode' | 'uid' | 'gid' | 'mtime'>;
  readonly words: readonly Token[];
} {
  let attributes: Pick<ListedNode, 'mode' | 'uid' | 'gid' | 'mtime'> = {};
  const words = tokens.filter(({ text, quoted }) => {
    const found = quoted ? undefined : parseAttribute(text);
    attributes = { ...attributes, ...found };
    return found === undefined;
  });
  return { attributes, words };
}

function parseAttribute(word: string): Pick<ListedNode, 'mode' | 'uid' | 'gid' | 'mtime'> | undefined {
  const owner = /^(\d+):(\d+)$/.exec(word);
  if (owner !== null) return { uid: Number(owner[1]), gid: Number(owner[2]) };
  if (/^0[0-7]{3,4}$/.test(word)) return { mode: Number.parseInt(word, 8) };
  const time = /^@(-?\d+)$/.exec(word);
  return time === null ? undefined : { mtime: Number(time[1]) };
}
