import type { CopiedImage, ImagePlace } from '../copy/index.ts';
import { type Platform, parsePlatform, platformOfHost, toBuildError } from '../core/index.ts';
import type { Credentials, RegistryClient } from '../registry/index.ts';
import type { Store } from '../store/index.ts';
import { type BuildOptions, runContext } from './build.ts';
import { openImageStore } from './open-image-store.ts';
import { type LendRegistry, openRegistry, withRegistry } from './open-registry.ts';

/** A place as a value, or as `zlayer copy` takes it: `docker://NAME`, `store:NAME`, `oci:DIRECTORY[:NAME]`, … */
export type PlaceInput = ImagePlace | string;

export interface CopyInput {
  readonly source: PlaceInput;
  readonly destination: PlaceInput;
  /** The image of one platform, such as `linux/arm64`; default all. */
  readonly platform?: Platform | string | undefined;
  /** Also what refers to the image in its registry; default no. */
  readonly referrers?: boolean | undefined;
  /** Come before those of the auth files. */
  readonly sourceCredentials?: Credentials | undefined;
  readonly destinationCredentials?: Credentials | undefined;
  /** Of the local store. */
  readonly dataDir?: string | undefined;
}

/**
 * Copies an image between registries, the local store, OCI layouts and archives, byte for byte: the digest stays. Progress
 * comes as `transfer` events, one series for each blob that moves over the network.
 *
 * @throws BuildError always: `IMAGE_NOT_FOUND`, `PLATFORM_NOT_FOUND`, `BLOB_DIGEST_MISMATCH`, `REGISTRY_*`, `OUTPUT_FAILED`, …
 */
export async function copyImage(input: CopyInput, options: BuildOptions = {}): Promise<CopiedImage> {
  const context = runContext(options);
  const registry = openRegistry();
  try {
    const copying = await import('../copy/index.ts');
    const [source, destination] = [input.source, input.destination].map((place) =>
      typeof place === 'string' ? copying.parseImagePlace(place) : place,
    ) as [ImagePlace, ImagePlace];
    const { platform, referrers, sourceCredentials, destinationCredentials } = input;
    const request = {
      source,
      destination,
      referrers,
      platform:
        typeof platform === 'string' ? parsePlatform(platform, platformOfHost('linux', process.arch)) : platform,
    };
    let store: Promise<Store> | undefined;
    const openStore = (): Promise<Store> => {
      store ??= openImageStore(input.dataDir, context);
      return store;
    };
    return await withSide(registry.client, { place: source, credentials: sourceCredentials }, (from) =>
      withSide(registry.client, { place: destination, credentials: destinationCredentials }, (to) =>
        copying.copyImage({ store: openStore, source: from, destination: to }, request, context),
      ),
    );
  } catch (thrown) {
    throw toBuildError(thrown);
  } finally {
    await registry.close();
  }
}

/** Works with the client of one side: of all, or with credentials of its own. */
function withSide<T>(
  lend: LendRegistry,
  { place, credentials }: { readonly place: ImagePlace; readonly credentials: Credentials | undefined },
  work: (client: () => Promise<RegistryClient>) => Promise<T>,
): Promise<T> {
  const isGiven = place.kind === 'registry' && credentials !== undefined;
  return withRegistry(lend, isGiven ? { [place.reference.registry]: credentials } : undefined, work);
}
