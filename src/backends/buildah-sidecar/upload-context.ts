import { open } from 'node:fs/promises';
import { BuildError, type RunContext, throwIfCancelled } from '../../core/index.ts';
import {
  CHUNK_BYTES,
  type ContentChunkSchema,
  type MessageInput,
  type MissingContent,
  type TreeEntriesSchema,
} from '../../rpc/index.ts';
import type { Connection } from './connection.ts';
import type { ContentFile, ListedTree } from './list-tree.ts';

type Chunk = MessageInput<typeof ContentChunkSchema>;

const ENTRIES_PER_MESSAGE = 1000;
const PROGRESS_MS = 100;

/** A tree to be sent, and what it is called. */
export interface UploadInput {
  readonly tree: ListedTree;
  /** For people, such as `build context`. */
  readonly name: string;
}

/**
 * Makes a tree known to a daemon: offers it, and sends the contents that the daemon lacks, from where an earlier try was
 * broken off. May be called again when the connection was lost.
 *
 * @returns the name of the tree.
 * @throws BuildError `CONTEXT_INVALID` for a file that changed meanwhile, `BACKEND_UNAVAILABLE`, `CANCELLED`.
 */
export async function uploadTree({ client }: Connection, input: UploadInput, context: RunContext): Promise<string> {
  const { signal } = context;
  const { tree, missing } = await client.offerTree(messagesOf(input.tree), { signal });
  const found = input.tree.find(new Set(missing.map(({ digest }) => Buffer.from(digest).toString('hex'))));
  const files = missing.map((content) => toMissing(found, content));
  if (files.length === 0) return tree;
  const progress = createProgress(input.name, files, context);
  await client.uploadContent(chunksOf(files, progress, context), { signal });
  progress.end();
  return tree;
}

async function* messagesOf(tree: ListedTree): AsyncGenerator<MessageInput<typeof TreeEntriesSchema>> {
  let entries = [];
  for (const entry of tree.entries()) {
    entries.push(entry);
    if (entries.length < ENTRIES_PER_MESSAGE) continue;
    yield { entries };
    entries = [];
  }
  if (entries.length > 0) yield { entries };
}

interface Missing {
  readonly digest: Uint8Array;
  readonly have: number;
  readonly file: ContentFile;
}

function toMissing(found: ReadonlyMap<string, ContentFile>, { digest, have }: MissingContent): Missing {
  const file = found.get(Buffer.from(digest).toString('hex'));
  if (file === undefined)
    throw new BuildError('BACKEND_FAILED', 'The build daemon asks for a file that was not offered.');
  // What it has of a longer file is not ours.
  return { digest, file, have: Number(have) <= file.sizeBytes ? Number(have) : 0 };
}

async function* chunksOf(files: readonly Missing[], progress: Progress, context: RunContext): AsyncGenerator<Chunk> {
  for (const missing of files) yield* chunksOfFile(missing, progress, context);
}

async function* chunksOfFile(
  { digest, have, file }: Missing,
  progress: Progress,
  { signal }: RunContext,
): AsyncGenerator<Chunk> {
  const handle = await open(file.path).catch((error: Error) => {
    throw unreadable(file, error.message, error);
  });
  try {
    for (let offset = have; ; ) {
      throwIfCancelled(signal);
      const wanted = Math.min(CHUNK_BYTES, file.sizeBytes - offset);
      const data = Buffer.allocUnsafe(wanted);
      const { bytesRead } = wanted === 0 ? { bytesRead: 0 } : await handle.read(data, 0, wanted, offset);
      if (bytesRead < wanted && bytesRead === 0) throw unreadable(file, 'it became shorter while it was read');
      const last = offset + bytesRead === file.sizeBytes;
      yield { digest, offset: BigInt(offset), data: data.subarray(0, bytesRead), last };
      offset += bytesRead;
      progress.add(bytesRead);
      if (last) return;
    }
  } finally {
    await handle.close();
  }
}

function unreadable({ path }: ContentFile, why: string, cause?: Error): BuildError {
  return new BuildError('CONTEXT_INVALID', `"${path}" cannot be sent to the build daemon: ${why}.`, {
    cause,
    hint: 'Build again when nothing writes to the file, or exclude it with .dockerignore.',
  });
}

interface Progress {
  add(bytes: number): void;
  end(): void;
}

function createProgress(name: string, files: readonly Missing[], { emit }: RunContext): Progress {
  const totalBytes = files.reduce((sum, { file, have }) => sum + file.sizeBytes - have, 0);
  let currentBytes = 0;
  let lastMs = 0;
  const tell = (done: boolean): void => {
    lastMs = Date.now();
    emit({
      kind: 'transfer',
      time: lastMs,
      id: `upload ${name}`,
      direction: 'push',
      name: `${name} to the build daemon`,
      currentBytes,
      totalBytes,
      done,
    });
  };
  return {
    add: (bytes) => {
      currentBytes += bytes;
      if (Date.now() - lastMs >= PROGRESS_MS) tell(false);
    },
    end: () => tell(true),
  };
}
