import { rm } from 'node:fs/promises';
import { formatReference, parseReference, type RunContext } from '../../core/index.ts';
import { openStore, type Store } from '../../store/index.ts';
import type { BuildBackend, LayerCompression } from '../types.ts';
import { type WrittenOutput, writeOutput } from '../write-output.ts';
import type { Connection } from './connection.ts';

type ExportInput = Parameters<BuildBackend['exportImage']>[0];

/**
 * Brings an image from a daemon into a store for this time alone, and from there to an output of this host.
 *
 * @throws BuildError `IMAGE_NOT_FOUND`, `OUTPUT_FAILED`, `ARCHIVE_INVALID`, `BLOB_DIGEST_MISMATCH`, `CANCELLED`.
 */
export async function exportImage(
  deps: { readonly store: Store; readonly connection: Connection },
  { image, references, output, descriptorAnnotations = {} }: ExportInput & { readonly output: WrittenOutput },
  context: RunContext,
): Promise<void> {
  const directory = await deps.store.makeTempDir('sidecar-export');
  try {
    const store = await openStore({ root: directory });
    const { loadArchive } = await import('../../outputs/index.ts');
    const names = references.map((text) => formatReference(parseReference(text)));
    const compression = compressionOf(output);
    const [loaded] = await loadArchive(
      { store },
      receive(deps.connection, { image, references: names, compression }, context),
      context,
    );
    const { descriptor } = loaded!;
    await writeOutput(store, { descriptor, references, output: asItCame(output), descriptorAnnotations }, context);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** As native has it: an OCI layout is compressed unless it says otherwise, other outputs hold plain layers. */
function compressionOf(output: WrittenOutput): SentCompression {
  if (output.kind !== 'oci') return { compression: 'none', compressionLevel: 0, forceCompression: false };
  const { compression = 'gzip', compressionLevel = 0, forceCompression = false } = output;
  return { compression, compressionLevel, forceCompression };
}

/** The daemon has compressed what it made; all that came is written as it is. */
function asItCame(output: WrittenOutput): WrittenOutput {
  return output.kind === 'oci'
    ? { kind: 'oci', destination: output.destination, tar: output.tar, compression: 'none' }
    : output;
}

type SentCompression = Required<LayerCompression>;

interface Received {
  readonly image: string;
  readonly references: readonly string[];
  readonly compression: SentCompression;
}

const PROGRESS_MS = 100;

async function* receive(
  { client }: Connection,
  { image, references, compression }: Received,
  { signal, emit }: RunContext,
): AsyncGenerator<Uint8Array> {
  const request = { image, references: [...references], ...compression };
  let currentBytes = 0;
  let lastMs = 0;
  const tell = (done: boolean): void => {
    lastMs = Date.now();
    const name = `${references[0] ?? image} from the build daemon`;
    const id = `export ${image}`;
    emit({ kind: 'transfer', time: lastMs, id, direction: 'pull', name, currentBytes, done });
  };
  for await (const { data } of client.export(request, { signal })) {
    currentBytes += data.length;
    if (Date.now() - lastMs >= PROGRESS_MS) tell(false);
    yield data;
  }
  tell(true);
}
