import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import type { FileContent } from './listing.ts';
import type { MountName } from './types.ts';

/** A name with the content that it is known to have. */
export interface KnownName {
  readonly name: MountName;
  readonly content: FileContent | undefined;
}

/** A file changed within one tick of the clock before it was read may change again without another stamp. */
const RACY_MS = 50;

/** Gives files that are as they were when they were last read their content, without a look into them. */
export function readStamps(file: string, names: readonly MountName[]): readonly KnownName[] {
  const lines = readLines(file);
  let at = 0;
  // Both are in the order of names.
  return names.map((name) => {
    if (name.entry.type !== 'file' || name.entry.sizeBytes === 0) return { name, content: undefined };
    while (at < lines.length && lines[at]![0] < name.entry.path) at += 1;
    const line = lines[at];
    const isKnown = line !== undefined && line[0] === name.entry.path && line[1] === name.stamp;
    return { name, content: isKnown ? toContent(line) : undefined };
  });
}

/** Keeps what is known for the next build. `readMs`: when reading began. */
export function writeStamps(file: string, known: readonly KnownName[], readMs: number): void {
  const lines = known.flatMap(({ name, content }): string[] => {
    const isOld = name.changedMs !== undefined && name.changedMs < readMs - RACY_MS;
    if (content === undefined || !isOld) return [];
    const { sha256, xattrs } = content;
    return [JSON.stringify([name.entry.path, name.stamp, sha256, ...(xattrs === undefined ? [] : [xattrs])])];
  });
  const temporary = `${file}.${process.pid}`;
  writeFileSync(temporary, `${lines.join('\n')}\n`);
  renameSync(temporary, file);
}

type Line = readonly [path: string, stamp: string, sha256: string, xattrs?: Readonly<Record<string, string>>];

function toContent([, , sha256, xattrs]: Line): FileContent {
  return xattrs === undefined ? { sha256 } : { sha256, xattrs };
}

/** A file that is missing or damaged knows nothing. */
function readLines(file: string): readonly Line[] {
  try {
    const lines = readFileSync(file, 'utf8').split('\n');
    return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as Line);
  } catch {
    return [];
  }
}
