import { renameSync } from 'node:fs';
import { CONTEXT_TIME } from '../support/cases.ts';
import { runOk } from '../support/process.ts';
import type { ListedNode } from './listing.ts';

const FLAGS: Readonly<Record<string, string>> = {
  file: '0',
  hardlink: '1',
  symlink: '2',
  char: '3',
  directory: '5',
  fifo: '6',
};

const BLOCK = 512;

/** A tar (ustar) that holds these entries in this order, whatever their names are: also ones that no tar program would write. */
export function toTar(nodes: readonly ListedNode[]): Buffer {
  const end = Buffer.alloc(2 * BLOCK);
  return Buffer.concat([...nodes.flatMap((node) => [toHeader(node), toContent(node)]), end]);
}

/** Compresses a file in place. */
export async function compress(path: string, compression: string): Promise<void> {
  const program = { none: undefined, gzip: 'gzip', bzip2: 'bzip2', xz: 'xz', zstd: 'zstd' }[compression];
  if (program === undefined) return;
  const plain = `${path}.plain`;
  renameSync(path, plain);
  await runOk(['sh', '-c', `${program} -c <"$1" >"$2" && rm "$1"`, 'sh', plain, path]);
}

function toHeader({
  kind,
  path,
  mode,
  uid = 0,
  gid = 0,
  mtime = CONTEXT_TIME,
  link = '',
  content = '',
}: ListedNode): Buffer {
  const flag = FLAGS[kind];
  if (flag === undefined) throw new Error(`An archive cannot hold "${kind}".`);
  const header = Buffer.alloc(BLOCK);
  const text = (value: string, offset: number): void => void header.write(value, offset, 'latin1');
  const octal = (value: number, offset: number, length: number): void =>
    text(value.toString(8).padStart(length - 1, '0'), offset);
  text(path, 0);
  octal(mode ?? (kind === 'directory' ? 0o755 : 0o644), 100, 8);
  octal(uid, 108, 8);
  octal(gid, 116, 8);
  octal(kind === 'file' ? content.length : 0, 124, 12);
  octal(mtime, 136, 12);
  text(' '.repeat(8), 148);
  text(flag, 156);
  text(link, 157);
  text('ustar\x0000', 257);
  octal(0, 329, 8);
  octal(0, 337, 8);
  octal(
    header.reduce((sum, byte) => sum + byte, 0),
    148,
    7,
  );
  return header;
}

function toContent({ kind, content = '' }: ListedNode): Buffer {
  const bytes = Buffer.from(kind === 'file' ? content : '', 'latin1');
  return Buffer.concat([bytes, Buffer.alloc((BLOCK - (bytes.length % BLOCK)) % BLOCK)]);
}
