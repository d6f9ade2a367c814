import { isBuildError, type RunContext, withoutTransfers } from '../core/index.ts';
import { type Descriptor, isIndexType, readDocument, selectManifest } from '../oci/index.ts';
import { platformError } from '../registry/index.ts';
import { checkReferrers, copyReferrers } from './copy-referrers.ts';
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
  if (request.referrers === true) checkReferrers(request);
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
    const referrers = request.referrers === true ? await copyReferrers(deps, { request, source, root }, context) : 0;
    return { descriptor: root, ...counts, referrers };
  } finally {
    await source.close();
  }
}

/** What is copied: the whole, or the manifest that an index has for the platform. */
async function chooseRoot({ name, root, blobs }: ImageSource, { platform }: CopyRequest): Promise<Descriptor> {
  let descriptor = root;
  while (platform !== undefined && isIndexType(descriptor.mediaType)) {
    const document = await readDocument(blobs, descriptor);
    if (document.kind !== 'index') break;
    const entry = selectManifest(document.index, platform);
    if (entry === undefined) throw platformError({ name, platform }, document.index);
    descriptor = entry;
  }
  return descriptor;
}
