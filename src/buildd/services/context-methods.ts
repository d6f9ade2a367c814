import { BuildError } from '../../core/index.ts';
import {
  type BuildService,
  type ContentChunk,
  type ServiceImplementation,
  type TreeEntries,
  TreeEntry_Type,
} from '../../rpc/index.ts';
import type { ContentPiece } from '../contexts/receive-contents.ts';
import type { TreeEntry } from '../contexts/tree-entry.ts';
import { relieveMemory } from '../relieve-memory.ts';
import { type DaemonState, doWork, identityOf } from './daemon-state.ts';

type Methods = Pick<ServiceImplementation<typeof BuildService>, 'offerTree' | 'uploadContent'>;

/** The methods that bring build contexts here. */
export function createContextMethods(state: DaemonState): Methods {
  return {
    offerTree: (messages, call) =>
      doWork(state, { kind: 'upload', call }, async () => {
        const { tree, missing } = await state.contexts.of(identityOf(call)).offer(entriesOf(messages));
        relieveMemory();
        return {
          tree,
          missing: missing.map(({ digest, have }) => ({ digest: Buffer.from(digest, 'hex'), have: BigInt(have) })),
        };
      }),
    uploadContent: (messages, call) =>
      doWork(state, { kind: 'upload', call }, async () => {
        const { contents, bytes } = await state.contexts.of(identityOf(call)).upload(piecesOf(messages));
        relieveMemory();
        return { contents: BigInt(contents), bytes: BigInt(bytes) };
      }),
  };
}

const TYPES: Readonly<Record<number, TreeEntry['type']>> = {
  [TreeEntry_Type.FILE]: 'file',
  [TreeEntry_Type.DIRECTORY]: 'directory',
  [TreeEntry_Type.SYMLINK]: 'symlink',
  [TreeEntry_Type.HARD_LINK]: 'hard-link',
  [TreeEntry_Type.FIFO]: 'fifo',
};

async function* entriesOf(messages: AsyncIterable<TreeEntries>): AsyncGenerator<TreeEntry, void, undefined> {
  for await (const { entries } of messages) {
    for (const { path, type, mode, mtimeNs, size, digest, target } of entries) {
      const known = TYPES[type];
      if (known === undefined) throw unknownType(type);
      yield {
        type: known,
        path: latin1(path),
        mode,
        mtimeNs,
        sizeBytes: Number(size),
        digest: Buffer.from(digest).toString('hex'),
        target: latin1(target),
      };
    }
  }
}

async function* piecesOf(messages: AsyncIterable<ContentChunk>): AsyncGenerator<ContentPiece, void, undefined> {
  for await (const { digest, offset, data, last } of messages) {
    yield { digest: Buffer.from(digest).toString('hex'), offset: Number(offset), data, last };
  }
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}

function unknownType(type: number): BuildError {
  return new BuildError(
    'UNSUPPORTED',
    `The offered build context has an entry of the type ${type}, which this daemon does not know.`,
  );
}
