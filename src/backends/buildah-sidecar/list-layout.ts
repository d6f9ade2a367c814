import { createHash } from 'node:crypto';
import { createReadStream, statSync } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { type BlobSource, BuildError, digestAlgorithm, digestHex } from '../../core/index.ts';
import { type Descriptor, readDocument } from '../../oci/index.ts';
import type { LayoutName } from '../../outputs/index.ts';
import { type MessageInput, TreeEntry_Type, type TreeEntrySchema } from '../../rpc/index.ts';
import type { ContentFile, ListedTree } from './list-tree.ts';

/**
 * Lists what an OCI image layout holds of one image, and its index: nothing else of the layout is sent. Blobs are known by
 * their digests already, so only documents are read.
 *
 * @throws BuildError `IMAGE_NOT_FOUND` for an image that is not there, or not whole; `IMAGE_INVALID`.
 */
export async function listLayout(name: LayoutName): Promise<ListedTree> {
  const { findLayoutImage, layoutFile } = await import('../../outputs/index.ts');
  const root = await findLayoutImage(name);
  const places = { path: name.path, fileOf: (blob: Descriptor) => layoutFile(name.path, blob) };
  const blobs = await listBlobs(places, root);
  const files = new Map<string, ContentFile>([['index.json', statFile(join(name.path, 'index.json'))]]);
  for (const { digest } of blobs) {
    files.set(`blobs/${digestAlgorithm(digest)}/${digestHex(digest)}`, statFile(layoutFile(name.path, { digest })));
  }
  return toTree(files);
}

interface Places {
  readonly path: string;
  readonly fileOf: (blob: Descriptor) => string;
}

/** The blobs of an image that the layout has: an index may list platforms that were left out of it. */
async function listBlobs({ path, fileOf }: Places, root: Descriptor): Promise<readonly Descriptor[]> {
  const source: BlobSource = {
    open: ({ digest, sizeBytes }) => createReadStream(fileOf({ mediaType: '', digest, size: sizeBytes })),
  };
  const blobs = new Map<string, Descriptor>();
  const isThere = (blob: Descriptor): boolean => statSync(fileOf(blob), { throwIfNoEntry: false }) !== undefined;
  const visit = async (descriptor: Descriptor): Promise<void> => {
    if (blobs.has(descriptor.digest)) return;
    if (!isThere(descriptor)) throw incomplete(path, descriptor);
    blobs.set(descriptor.digest, descriptor);
    // Caches of other builders are indexes that name layers.
    if (!/manifest|index/.test(descriptor.mediaType)) return;
    const document = await readDocument(source, descriptor);
    if (document.kind === 'index') {
      for (const child of document.index.manifests.filter(isThere)) await visit(child);
      return;
    }
    const { config, layers } = document.manifest;
    for (const part of [config, ...layers]) {
      if (!isThere(part)) throw incomplete(path, part);
      blobs.set(part.digest, part);
    }
  };
  await visit(root);
  return [...blobs.values()];
}

function incomplete(path: string, { digest }: Descriptor): BuildError {
  return new BuildError('IMAGE_NOT_FOUND', `The layout ${path} does not hold all of its image: ${digest} is missing.`, {
    hint: 'Write the layout again.',
  });
}

/** A layout may be made of links to where its blobs really are. */
function statFile(path: string): ContentFile {
  return { path, sizeBytes: statSync(path).size };
}

const PLAIN = { mode: 0o644, mtimeNs: 0n } as const;

/** The same image always makes the same tree, whenever its files were written. */
async function toTree(files: ReadonlyMap<string, ContentFile>): Promise<ListedTree> {
  const entries = new Map<string, MessageInput<typeof TreeEntrySchema>>();
  const contents = new Map<string, ContentFile>();
  for (const [path, file] of files) {
    for (let at = path.indexOf('/'); at > 0; at = path.indexOf('/', at + 1)) {
      const parent = path.slice(0, at);
      entries.set(parent, { ...PLAIN, path: Buffer.from(parent), type: TreeEntry_Type.DIRECTORY, mode: 0o755 });
    }
    const digest = await sha256Of(path, file);
    contents.set(digest, file);
    const content = { size: BigInt(file.sizeBytes), digest: Buffer.from(digest, 'hex') };
    entries.set(path, { ...PLAIN, path: Buffer.from(path), type: TreeEntry_Type.FILE, ...content });
  }
  const paths = [...entries.keys()].sort();
  return {
    entries: () => paths.map((path) => entries.get(path)!),
    find: (wanted) => new Map([...contents].filter(([digest]) => wanted.has(digest))),
  };
}

/** That of a blob is in its name; what it really is, the daemon finds out. */
async function sha256Of(path: string, file: ContentFile): Promise<string> {
  const named = /^blobs\/sha256\/([0-9a-f]{64})$/.exec(path)?.[1];
  if (named !== undefined) return named;
  const hash = createHash('sha256');
  await pipeline(createReadStream(file.path), async (chunks) => {
    for await (const chunk of chunks) hash.update(chunk as Buffer);
  });
  return hash.digest('hex');
}
