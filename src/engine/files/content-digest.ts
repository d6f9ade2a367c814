import { createHash, type Hash } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type Entry, readContent } from '../../archive/index.ts';
import {
  BuildError,
  type BytePath,
  bytePathOf,
  type Digest,
  type RunContext,
  textOfPath,
  throwIfCancelled,
} from '../../core/index.ts';
import type { TreeResult } from '../types.ts';
import { resolveInRoot } from './resolve-in-root.ts';
import { type Selection, type SourceTree, walkSelection } from './selection.ts';

/** The content that a copy or a mount takes, as one digest; `onFile` is told each file's own. */
export interface ContentDigestOptions {
  /** Owners count as 0:0. */
  readonly ownerless: boolean;
  readonly onFile?: (path: BytePath, digest: string) => void;
}

/** Bytes of names and metadata that are gathered before they are hashed. */
const BATCH_BYTES = 64 << 10;

/** Longest time in which the event loop is not served. */
const TURN_MS = 50;

/**
 * The digest of everything that a selection takes: relative names, types, modes, owners, link targets, hard links, devices,
 * extended attributes and content; never times, nor anything that is excluded. Of a directory its own mode and owner do not
 * count: its content goes into a directory of another name. The event loop is served between files.
 *
 * @throws BuildError `CONTEXT_INVALID` for what cannot be read, `CANCELLED`.
 */
export async function digestOfSelection(
  { source, selection }: SelectedContent,
  options: ContentDigestOptions,
  context: RunContext,
): Promise<Digest> {
  const steps = digestSteps({ source, selection }, options);
  let turnEnds = nowMs() + TURN_MS;
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
    if (nowMs() < turnEnds) continue;
    await nextTurn();
    throwIfCancelled(context.signal);
    turnEnds = nowMs() + TURN_MS;
  }
}

/** Never goes back, and unlike `performance` nothing has to be loaded for it. */
function nowMs(): number {
  return process.uptime() * 1000;
}

/** What is taken, and the tree that it is taken from. */
export interface SelectedContent {
  readonly source: SourceTree;
  readonly selection: Selection;
}

/** Yields after every entry. */
function* digestSteps({ source, selection }: SelectedContent, options: ContentDigestOptions): Generator<void, Digest> {
  const listing = createListing();
  const links = new Map<string, number>();
  const add = (path: BytePath, relative: BytePath, entry: Entry): void => {
    listing.add(relative);
    listing.add(entryText(entry, options.ownerless));
    if (entry.type !== 'file') return;
    const linkId = selection.tree.linkId(path);
    if (linkId !== undefined) {
      listing.add(`link ${links.get(linkId) ?? links.size}`);
      if (!links.has(linkId)) links.set(linkId, links.size);
    }
    const digest = fileDigest(source, path, entry);
    listing.add(digest);
    options.onFile?.(path, digest);
  };
  const { entry, path } = selection;
  if (entry.type === 'directory') listing.add('directory');
  else add(path, '', entry);
  for (const walked of walkSelection(selection)) {
    add(walked.path, walked.relative, walked.entry);
    yield;
  }
  return listing.digest();
}

/**
 * The digest of a tree, or of the file or directory at `source` in it (symlinks followed inside the tree): what a bind mount
 * of a RUN shows, for its cache key.
 *
 * @throws BuildError `SOURCE_NOT_FOUND` when nothing is there.
 */
export function contentDigestOf(result: TreeResult, source: string): Digest {
  const { path, entry } = resolveInRoot(result.tree, bytePathOf(source));
  if (entry === undefined) {
    const text = textOfPath(path);
    throw new BuildError('SOURCE_NOT_FOUND', `"${text}" cannot be mounted: it does not exist.`, {
      facts: { path: text },
    });
  }
  const selection = { tree: result.tree, path, entry, name: '' };
  const steps = digestSteps({ source: result, selection }, { ownerless: result.ownerless });
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

function fileDigest(source: SourceTree, path: BytePath, entry: Entry): string {
  if (entry.sizeBytes === 0) return '';
  if (source.fileDigest !== undefined) return source.fileDigest(path);
  const hash = createHash('sha256');
  for (const chunk of readContent(source.tree.content(path), entry.sizeBytes)) hash.update(chunk);
  return hash.digest('hex');
}

function entryText(entry: Entry, ownerless: boolean): string {
  const owner = ownerless ? '0 0' : `${entry.uid} ${entry.gid}`;
  const text = `${entry.type} ${entry.mode} ${owner} ${entry.sizeBytes}`;
  if (entry.linkTarget === undefined && entry.device === undefined && entry.xattrs === undefined) return text;
  const xattrs = [...(entry.xattrs ?? [])].sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify([
    text,
    entry.linkTarget ?? null,
    entry.device ?? null,
    xattrs.map(([name, value]) => [name, Buffer.from(value).toString('hex')]),
  ]);
}

/** Hashes texts, each framed by its length, so that no two lists of texts share a digest. */
function createListing(): { add(text: string): void; digest(): Digest } {
  const hash: Hash = createHash('sha256');
  let batch = '';
  return {
    add(text) {
      batch += `${text.length}:${text}`;
      if (batch.length < BATCH_BYTES) return;
      hash.update(batch, 'latin1');
      batch = '';
    },
    digest: () => `sha256:${hash.update(batch, 'latin1').digest('hex')}`,
  };
}
