import { chmodSync, chownSync, linkSync, lutimesSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CONTEXT_TIME } from '../support/cases.ts';
import { IS_ROOT } from '../support/host.ts';
import { runOk } from '../support/process.ts';
import type { ContextFile, DifferentialCase } from './differential-case.ts';
import { parseNode } from './listing.ts';
import { compress, toTar } from './write-archive.ts';

/** A case on disk, ready for both builders. */
export interface PreparedCase extends DifferentialCase {
  readonly context: string;
  /** The Dockerfiles of `before`, by tag. */
  readonly beforeFiles: Readonly<Record<string, string>>;
  /** Files that hold the secrets, by id. */
  readonly secretFiles: Readonly<Record<string, string>>;
  /** What the reference builder reads; ours reads the context's own. */
  readonly referenceFile: string;
}

/** Makes a case's context and the files beside it in a fresh folder below `root`. */
export async function writeCase(each: DifferentialCase, root: string): Promise<PreparedCase> {
  const folder = join(root, each.id.replaceAll('/', '-'));
  const context = join(folder, 'context');
  mkdirSync(context, { recursive: true, mode: 0o755 });
  for (const file of each.files) await writeFile(context, file);
  settle(context, each.files);
  const aside = (prefix: string, texts: Readonly<Record<string, string>>): Readonly<Record<string, string>> =>
    Object.fromEntries(
      Object.entries(texts).map(([name, text], index) => {
        const path = join(folder, `${prefix}-${index}`);
        writeFileSync(path, Buffer.from(text, 'latin1'));
        return [name, path];
      }),
    );
  const beforeFiles = aside('before', each.before);
  const secretFiles = aside('secret', each.options.secrets);
  const { reference, options } = each;
  const rewritten =
    reference.kind === 'rewritten' ? aside('reference', { text: reference.dockerfile })['text'] : undefined;
  const usual = each.files.some(({ path }) => path === 'Dockerfile') ? 'Dockerfile' : 'Containerfile';
  const referenceFile = rewritten ?? join(context, options.dockerfile ?? usual);
  return { ...each, context, beforeFiles, secretFiles, referenceFile };
}

async function writeFile(context: string, file: ContextFile): Promise<void> {
  const path = pathIn(context, file.path);
  mkdirSync(parentOf(path), { recursive: true, mode: 0o755 });
  if (file.kind === 'directory') mkdirSync(path, { recursive: true });
  else if (file.kind === 'symlink') symlinkSync(Buffer.from(file.link ?? '', 'latin1'), path);
  else if (file.kind === 'hardlink') linkSync(pathIn(context, file.link ?? ''), path);
  else if (file.kind === 'fifo') await runOk(['mkfifo', path.toString()]);
  else if (file.kind === 'file') writeFileSync(path, Buffer.from(file.content ?? '', 'latin1'));
  else await writeArchive(path.toString(), file);
}

async function writeArchive(path: string, { content = '', compression = 'none' }: ContextFile): Promise<void> {
  const lines = content.split('\n').filter((line) => line !== '');
  writeFileSync(path, toTar(lines.map(parseNode)));
  await compress(path, compression);
}

/** Modes, owners and times, the deepest first: writing into a directory would change its time. */
function settle(context: string, files: readonly ContextFile[]): void {
  const listed = new Map(files.map((file) => [file.path, file]));
  const parents = files.flatMap(({ path }) =>
    path
      .split('/')
      .slice(0, -1)
      .map((_, at, parts) => parts.slice(0, at + 1).join('/')),
  );
  const paths = [...new Set(['', ...parents, ...listed.keys()])].sort();
  for (const relative of paths.reverse()) {
    const path = relative === '' ? Buffer.from(context) : pathIn(context, relative);
    const { kind = 'directory', mode, uid, gid = 0, mtime = CONTEXT_TIME } = listed.get(relative) ?? {};
    if (kind !== 'symlink') {
      // An ordinary user can give nothing away; what a context's owners are must not matter anyway.
      if (uid !== undefined && IS_ROOT) chownSync(path, uid, gid);
      if (kind !== 'hardlink') chmodSync(path, mode ?? (kind === 'directory' ? 0o755 : 0o644));
    }
    lutimesSync(path, mtime, mtime);
  }
}

function pathIn(context: string, path: string): Buffer {
  return Buffer.concat([Buffer.from(`${context}/`), Buffer.from(path, 'latin1')]);
}

function parentOf(path: Buffer): Buffer {
  return path.subarray(0, path.lastIndexOf('/'));
}
