import { BuildError, parseDigest, parsePlatform, platformOfHost } from '../../core/index.ts';
import type { ImageConfig } from '../../oci/index.ts';
import type {
  InspectImageResponse,
  Receipt,
  ImageSummary as WireImageSummary,
  ManifestList as WireManifestList,
} from '../../rpc/index.ts';
import type { ImageDetails, ImageReceipt, ImageSummary, LayerReport, ManifestList } from '../types.ts';

/** @throws BuildError `BACKEND_FAILED` when the daemon left it out. */
export function toReceipt(receipt: Receipt | undefined): ImageReceipt {
  const { reference, digest, mediaType, size } = present(receipt);
  return { reference, digest: parseDigest(digest), mediaType, sizeBytes: Number(size) };
}

export function toImageSummary(summary: WireImageSummary): ImageSummary {
  const { digest, configDigest, mediaType, references, platforms, size, createdMs } = summary;
  return {
    digest: parseDigest(digest),
    configDigest: configDigest === '' ? undefined : parseDigest(configDigest),
    mediaType,
    references,
    platforms: platforms.map(toPlatform),
    sizeBytes: Number(size),
    createdMs: createdMs === 0n ? undefined : Number(createdMs),
  };
}

export function toImageDetails({ summary, configJson, layersJson }: InspectImageResponse): ImageDetails {
  return {
    ...toImageSummary(present(summary)),
    config: configJson.length === 0 ? undefined : parseJson<ImageConfig>(configJson),
    layers: layersJson.length === 0 ? [] : parseJson<readonly LayerReport[]>(layersJson),
  };
}

/** @throws BuildError `BACKEND_FAILED` when the daemon left it out. */
export function toManifestList(list: WireManifestList | undefined): ManifestList {
  const { receipt, members } = present(list);
  return {
    ...toReceipt(receipt),
    members: members.map(({ digest, mediaType, size, platform, annotations }) => ({
      digest: parseDigest(digest),
      mediaType,
      sizeBytes: Number(size),
      platform: platform === '' ? undefined : toPlatform(platform),
      annotations,
    })),
  };
}

/** A document that a message holds as JSON. @throws BuildError `BACKEND_FAILED` when it is none. */
export function parseJson<T>(bytes: Uint8Array): T {
  try {
    return JSON.parse(Buffer.from(bytes).toString('utf8')) as T;
  } catch (cause) {
    throw new BuildError('BACKEND_FAILED', 'The build daemon sent a document that cannot be read.', { cause });
  }
}

function toPlatform(text: string) {
  return parsePlatform(text, platformOfHost(process.platform, process.arch));
}

function present<T>(value: T | undefined): T {
  if (value !== undefined) return value;
  throw new BuildError('BACKEND_FAILED', 'The build daemon sent an answer without what was asked for.');
}
