import { BuildError, formatPlatform, platformOfHost, type RunContext } from '../../core/index.ts';
import { type ImageDocuments, platformOfConfig } from '../../oci/index.ts';
import { listPlatformImages } from '../platform-images.ts';
import type { NamedImage, OutputDeps } from '../types.ts';

/**
 * The one image for an engine whose store takes no more than one platform: the only one, or that of this host, which a
 * warning tells of.
 *
 * @throws BuildError `PLATFORM_NOT_FOUND` when there are several and none is for this host.
 */
export async function chooseImage(
  { store }: OutputDeps,
  { image: { descriptor }, engine }: { readonly image: NamedImage; readonly engine: string },
  context: RunContext,
): Promise<ImageDocuments> {
  const images = (await listPlatformImages(store, { descriptor })).map(({ image }) => image);
  const [only] = images;
  if (only !== undefined && images.length === 1) return only;
  const host = platformOfHost('linux', process.arch);
  const found = images.find(({ config }) => config.os === host.os && config.architecture === host.architecture);
  const names = images.map(({ config }) => formatPlatform(platformOfConfig(config)));
  if (found === undefined) {
    throw new BuildError('PLATFORM_NOT_FOUND', `None of ${names.join(', ')} can be loaded into ${engine} here.`, {
      hint: `It takes one platform; add ${formatPlatform(host)}, or write them all with -o type=oci,dest=FILE.`,
    });
  }
  context.emit({
    kind: 'warning',
    time: Date.now(),
    code: 'LOAD_ONE_PLATFORM',
    message: `Of ${names.join(', ')} only ${formatPlatform(platformOfConfig(found.config))} is loaded: ${engine} takes one platform.`,
  });
  return found;
}
