import { createHash } from 'node:crypto';
import type { Entry } from '../../archive/index.ts';
import {
  BuildError,
  type BytePath,
  baseNameOf,
  type Digest,
  isDigest,
  parentOf,
  textOfPath,
} from '../../core/index.ts';
import { invalid, isCount } from './mounts-document.ts';

/** Where the content of a file lies. */
export interface Place {
  readonly pack: Digest;
  readonly offset: number;
}

/** A file's content: the base64url of its SHA-256, which is shorter than a digest in lists of many. */
export interface FileContent {
  readonly sha256: string;
  readonly xattrs?: Readonly<Record<string, string>>;
}

/** A name of a listing. Files that are not empty have content and place. */
export interface StoredName {
  readonly entry: Entry;
  readonly content?: FileContent;
  readonly place?: Place;
}

const LETTERS = { file: 'f', directory: 'd', symlink: 'l', hardlink: 'h' } as const;
const TYPES: Readonly<Record<string, string>> = Object.fromEntries(
  Object.entries(LETTERS).map(([type, letter]) => [letter, type]),
);

/** A page ends behind a name whose hash says so: a change of one name leaves the other pages as they are. */
const PAGE_MIN = 256;
const PAGE_MAX = 8192;
const PAGE_MASK = 1023;

/** What a name is, as a line of JSON without its place. */
function describe({ entry, content }: StoredName): unknown[] {
  const { path, type, mode, uid, gid, mtime, nanoseconds = 0, sizeBytes, linkTarget } = entry;
  const common = [path, LETTERS[type as keyof typeof LETTERS], mode, uid, gid, mtime, nanoseconds];
  if (type === 'directory') return common;
  if (type !== 'file') return [...common, linkTarget ?? ''];
  return content === undefined ? [...common, 0] : [...common, sizeBytes, content.sha256, content.xattrs ?? 0];
}

/** The digest of a whole mount: of names, metadata and contents, wherever these lie. */
export function digestOfNames(names: Iterable<StoredName>): Digest {
  const hash = createHash('sha256');
  for (const name of names) hash.update(`${JSON.stringify(describe(name))}\n`);
  return `sha256:${hash.digest('hex')}`;
}

/**
 * The pages of a listing: lines of JSON, the first with the packs that the others refer to. Equal names in equal places
 * give equal pages.
 */
export function* encodePages(names: Iterable<StoredName>): Generator<Buffer> {
  let page = createPage();
  for (const name of names) {
    page.add(name);
    if (page.count >= PAGE_MAX || (page.count >= PAGE_MIN && (hashOf(name.entry.path) & PAGE_MASK) === 0)) {
      yield page.finish();
      page = createPage();
    }
  }
  if (page.count > 0) yield page.finish();
}

function createPage() {
  const packs = new Map<Digest, number>();
  const lines: string[] = [];
  return {
    get count() {
      return lines.length;
    },
    add(name: StoredName): void {
      const fields = describe(name);
      if (name.place !== undefined) {
        const { pack, offset } = name.place;
        if (!packs.has(pack)) packs.set(pack, packs.size);
        fields.push(packs.get(pack), offset);
      }
      lines.push(JSON.stringify(fields));
    },
    finish: (): Buffer => Buffer.from([JSON.stringify({ packs: [...packs.keys()] }), ...lines, ''].join('\n')),
  };
}

/** FNV-1a, 32 bits. */
function hashOf(path: BytePath): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < path.length; at++) hash = Math.imul(hash ^ path.charCodeAt(at), 0x01000193);
  return (hash ^ (hash >>> 15)) >>> 0;
}

/** @throws BuildError `IMAGE_INVALID` */
export function parsePage(bytes: Buffer): readonly StoredName[] {
  const [head = '', ...lines] = bytes.toString('utf8').trimEnd().split('\n');
  try {
    const { packs } = JSON.parse(head) as { readonly packs: readonly Digest[] };
    if (!packs.every((pack) => isDigest(pack))) throw invalid('a page of it names no packs');
    return lines.map((line) => toName(JSON.parse(line) as readonly unknown[], packs));
  } catch (error) {
    throw invalid('a page of its listing is damaged', error);
  }
}

function toName(fields: readonly unknown[], packs: readonly Digest[]): StoredName {
  const [path, letter, mode, uid, gid, mtime, nanoseconds, ...rest] = fields;
  const type = TYPES[String(letter)];
  const numbers = [mode, uid, gid, nanoseconds];
  const isSound =
    typeof path === 'string' && type !== undefined && numbers.every(isCount) && Number.isSafeInteger(mtime);
  if (!isSound || (mode as number) > 0o7777 || (nanoseconds as number) >= 1e9) throw invalid('a name of it is damaged');
  const entry = { path, type, mode, uid, gid, mtime, nanoseconds, sizeBytes: 0 } as Entry;
  if (type === 'directory') return { entry };
  if (type !== 'file') return { entry: { ...entry, linkTarget: asText(rest[0]) } };
  const [sizeBytes, sha256, xattrs, pack, offset] = rest;
  if (sizeBytes === 0) return { entry };
  const place = { pack: packs[pack as number] ?? '', offset } as Place;
  if (!isCount(sizeBytes) || !isCount(offset) || place.pack.length === 0) throw invalid('a file of it has no content');
  const content = { sha256: asText(sha256), ...(xattrs === 0 ? {} : { xattrs: asTexts(xattrs) }) };
  return { entry: { ...entry, sizeBytes: sizeBytes as number, ...attributesOf(content) }, content, place };
}

function attributesOf({ xattrs }: FileContent): Pick<Entry, 'xattrs'> {
  if (xattrs === undefined) return {};
  return { xattrs: new Map(Object.entries(xattrs).map(([name, value]) => [name, Buffer.from(value, 'base64')])) };
}

function asText(value: unknown): string {
  if (typeof value === 'string') return value;
  throw invalid('a name of it is damaged');
}

function asTexts(value: unknown): Readonly<Record<string, string>> {
  if (typeof value === 'object' && value !== null && Object.values(value).every((text) => typeof text === 'string')) {
    return value as Readonly<Record<string, string>>;
  }
  throw invalid('attributes of it are damaged');
}

/**
 * Looks at all names of a mount before the first is made: the root comes first, every name once, below a directory of this
 * listing, hard links behind the file that they name. So nothing can be written outside of the mount, nor through a link.
 *
 * @throws BuildError `ARCHIVE_UNSAFE`
 */
export function checkNames(names: readonly StoredName[]): void {
  const seen = new Map<BytePath, Entry['type']>();
  for (const { entry } of names) {
    const { path, type, linkTarget } = entry;
    const isRoot = path === '';
    const isNamed = isRoot ? seen.size === 0 && type === 'directory' : isPlain(path);
    const isPlaced = isRoot || seen.get(parentOf(path)) === 'directory';
    if (!isNamed || !isPlaced || seen.has(path)) throw unsafe(path);
    if (type === 'hardlink' && seen.get(linkTarget ?? '') !== 'file') throw unsafe(path);
    seen.set(path, type);
  }
}

function isPlain(path: BytePath): boolean {
  const name = baseNameOf(path);
  return name !== '' && name !== '.' && name !== '..' && /^[\x01-\xff]+$/.test(path) && !path.startsWith('/');
}

function unsafe(path: BytePath): BuildError {
  return new BuildError(
    'ARCHIVE_UNSAFE',
    `The cache mount holds the name "${textOfPath(path)}", which has no place in it.`,
    {
      hint: 'Somebody made this listing by hand: find out who can write to where it lies.',
    },
  );
}
