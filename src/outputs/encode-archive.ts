import { createLayerWriter, type Entry, type LayerEntry } from '../archive/index.ts';

/** A member of a tar that is written, in full, or as a small entry whose content is read at once. */
export type ArchiveMember = StreamedMember | { readonly small: LayerEntry };

/** `content` has exactly `entry.sizeBytes` bytes. */
interface StreamedMember {
  readonly entry: Entry;
  readonly content?: Iterable<Uint8Array> | AsyncIterable<Uint8Array>;
}

/** The bytes of a tar of these members, in chunks that stay valid. */
export async function* encodeArchive(
  members: Iterable<ArchiveMember> | AsyncIterable<ArchiveMember>,
): AsyncGenerator<Uint8Array> {
  const ready: Buffer[] = [];
  // The writer uses its buffer again.
  const writer = createLayerWriter({ write: (bytes) => ready.push(Buffer.from(bytes)) });
  try {
    for await (const member of members) {
      if ('small' in member) {
        writer.add(member.small);
        if (ready.length > 0) yield* ready.splice(0);
        continue;
      }
      const { entry, content } = member;
      writer.begin(entry);
      if (content !== undefined && Symbol.iterator in content) {
        for (const chunk of content) {
          writer.append(chunk);
          if (ready.length > 0) yield* ready.splice(0);
        }
      } else if (content !== undefined) {
        for await (const chunk of content) {
          writer.append(chunk);
          if (ready.length > 0) yield* ready.splice(0);
        }
      }
    }
    writer.finish();
    yield* ready;
  } finally {
    writer.close();
  }
}

/** A plain file of an archive that describes or carries an image: the same bytes give the same archive. */
export function fileMember(path: string, sizeBytes: number, content: StreamedMember['content']): ArchiveMember {
  const entry: Entry = { path, type: 'file', mode: 0o644, uid: 0, gid: 0, sizeBytes, mtime: 0 };
  return content === undefined ? { entry } : { entry, content };
}

/** A file whose bytes are in memory. */
export function bytesMember(path: string, bytes: Uint8Array): ArchiveMember {
  return fileMember(path, bytes.length, [bytes]);
}
