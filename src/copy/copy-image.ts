import { isBuildError, type RunContext } from '../core/index.ts';
import { type Descriptor, isIndexType, readImage } from '../oci/index.ts';
import { openSource } from './open-source.ts';
import type { CopiedImage, CopyDeps, CopyRequest, ImageSource } from './types.ts';
import { writeImage } from './write-image.ts';

/**
 * Copies an image byte for byte: the copy has the digest of its source. An index goes with all that it lists. What the
 * destination has is not read, what another repository of the same registry has is mounted, and between registries bytes go
 * through memory alone, a few chunks at a time.
 *
 * @throws BuildError `IMAGE_NOT_FOUND`, `PLATFORM_NOT_FOUND`, `BLOB_DIGEST_MISMATCH`, `BLOB_MISSING`, `ARCHIVE_INVALID`,
 * `OUTPUT_FAILED`, `UNSUPPORTED`, `REGISTRY_*`, `STORE_*`.
 */
export async function copyImage(deps: CopyDeps, request: CopyRequest, context: RunContext): Promise<CopiedImage> {
  const { source: from, destination: place } = request;
  // A push tells of the same bytes.
  const reading = place.kind === 'registry' ? withoutTransfers(context) : context;
  const source = await openSource(deps, from, reading);
  try {
    const root = await chooseRoot(source, request);
    const write = () => writeImage(deps, { from, source, root, place }, context);
    // Wrong bytes from a mirror are worth a second try: the client does not ask that mirror again.
    const counts = await write().catch((error: unknown) => {
      if (from.kind === 'registry' && isBuildError(error, 'BLOB_DIGEST_MISMATCH')) return write();
      throw error;
    });
    return { descriptor: root, ...counts, referrers: 0 };
  } finally {
    await source.close();
  }
}

async function chooseRoot(source: ImageSource, { platform }: CopyRequest): Promise<Descriptor> {
  if (platform === undefined || !isIndexType(source.root.mediaType)) return source.root;
  return (await readImage(source.blobs, source.root, { platform, strict: true })).descriptor;
}

function withoutTransfers({ signal, emit }: RunContext): RunContext {
  return { signal, emit: (event) => (event.kind === 'transfer' ? undefined : emit(event)) };
}
