import { BuildError } from '../core/index.ts';
import {
  type Check,
  invalidAt,
  isCount,
  isExactly,
  isFlag,
  isListOf,
  isMapOf,
  isObjectWith,
  isText,
  isTextLike,
  orNull,
  parseJson,
} from './json-check.ts';
import { type ImageConfig, type Index, type Manifest, MEDIA_TYPES } from './types.ts';

const isMediaType = isTextLike(
  /^[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}\/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}$/,
  'a media type',
);
const isAnyDigest = isTextLike(/^[a-z0-9]+(?:[+._-][a-z0-9]+)*:[a-zA-Z0-9=_-]+$/, 'a digest');
const isKnownDigest = isTextLike(
  /^(?!sha256:|sha512:)|^sha256:[0-9a-f]{64}$|^sha512:[0-9a-f]{128}$/,
  'a digest with lower-case hexadecimal digits of the right number',
);
const isBase64 = isTextLike(/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/, 'base64 with padding');
const isUri = isTextLike(/^[A-Za-z][A-Za-z0-9+.-]*:[\w\-.~:/?#[\]@!$&'()*+,;=%]*$/, 'a URI');
const isTime = isTextLike(
  /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)$/,
  'a time as in RFC 3339',
);
const isTexts = orNull(isListOf(isText));
const isTextMap = orNull(isMapOf(isText));
const isSet = orNull(isMapOf(isObjectWith({})));

const isDigest: Check = (value, path) => {
  isAnyDigest(value, path);
  isKnownDigest(value, path);
};

const isDescriptor = isObjectWith({
  required: { mediaType: isMediaType, digest: isDigest, size: isCount },
  optional: {
    urls: orNull(isListOf(isUri)),
    annotations: isTextMap,
    data: isBase64,
    artifactType: isMediaType,
    platform: orNull(
      isObjectWith({
        required: { architecture: isText, os: isText },
        optional: { 'os.version': isText, 'os.features': isTexts, variant: isText },
      }),
    ),
  },
});

const isManifest = isObjectWith({
  required: { schemaVersion: isExactly(2), config: isDescriptor, layers: orNull(isListOf(isDescriptor)) },
  optional: {
    mediaType: isMediaType,
    artifactType: isMediaType,
    subject: orNull(isDescriptor),
    annotations: isTextMap,
  },
});

const isIndex = isObjectWith({
  required: { schemaVersion: isExactly(2), manifests: orNull(isListOf(isDescriptor)) },
  optional: {
    mediaType: isMediaType,
    artifactType: isMediaType,
    subject: orNull(isDescriptor),
    annotations: isTextMap,
  },
});

const isContainerConfig = isObjectWith({
  optional: {
    User: isText,
    ExposedPorts: isSet,
    Env: orNull(isListOf(isTextLike(/^[^=]+=/, 'NAME=value'))),
    Entrypoint: isTexts,
    Cmd: isTexts,
    Volumes: isSet,
    WorkingDir: isText,
    Labels: isTextMap,
    StopSignal: isText,
    ArgsEscaped: isFlag,
    Healthcheck: orNull(isObjectWith({ optional: { Test: isTexts } })),
    Shell: isTexts,
    OnBuild: isTexts,
  },
});

const isImageConfig = isObjectWith({
  required: {
    architecture: isText,
    os: isText,
    rootfs: isObjectWith({ required: { type: isExactly('layers'), diff_ids: orNull(isListOf(isDigest)) } }),
  },
  optional: {
    created: orNull(isTime),
    author: isText,
    variant: isText,
    'os.version': isText,
    'os.features': isTexts,
    config: orNull(isContainerConfig),
    history: orNull(
      isListOf(
        isObjectWith({
          optional: {
            created: orNull(isTime),
            created_by: isText,
            author: isText,
            comment: isText,
            empty_layer: isFlag,
          },
        }),
      ),
    ),
  },
});

const isLayout = isObjectWith({ required: { imageLayoutVersion: isExactly('1.0.0') } });

/** Null fields are as good as absent, but for `Entrypoint` and `Cmd`, where null is a value of its own. */
function withoutNulls<T extends object>(document: T): T {
  const kept = Object.entries(document).filter(
    ([name, value]) => value !== null || name === 'Entrypoint' || name === 'Cmd',
  );
  return Object.fromEntries(kept) as T;
}

/** What a manifest or index was announced as; a document that says otherwise about itself is refused (CVE-2021-41190). */
export interface ParseDocumentOptions {
  readonly mediaType?: string;
}

/**
 * Reads an image manifest, OCI's or Docker's schema 2. Unknown fields are kept. An empty list of layers passes: the
 * specification only advises against it, and images made of a config alone exist.
 *
 * @throws BuildError `IMAGE_INVALID` with the path of what is wrong.
 */
export function parseManifest(bytes: Uint8Array | string, options: ParseDocumentOptions = {}): Manifest {
  const value = parseJson(bytes, 'image manifest');
  refuseSchema1(value);
  isManifest(value, '$');
  refuseAmbiguity(value as object, { mediaType: options.mediaType, foreign: ['manifests', 'fsLayers'] });
  const manifest = withoutNulls(value as Manifest);
  return { ...manifest, config: withoutNulls(manifest.config), layers: (manifest.layers ?? []).map(withoutNulls) };
}

/**
 * Reads an image index or a Docker manifest list. Unknown fields are kept.
 *
 * @throws BuildError `IMAGE_INVALID` with the path of what is wrong.
 */
export function parseIndex(bytes: Uint8Array | string, options: ParseDocumentOptions = {}): Index {
  const value = parseJson(bytes, 'image index');
  isIndex(value, '$');
  refuseAmbiguity(value as object, { mediaType: options.mediaType, foreign: ['layers', 'config', 'fsLayers'] });
  const index = withoutNulls(value as Index);
  return { ...index, manifests: (index.manifests ?? []).map(withoutNulls) };
}

/** Either of the documents that a reference may lead to. */
export type ParsedDocument =
  | { readonly kind: 'manifest'; readonly manifest: Manifest }
  | { readonly kind: 'index'; readonly index: Index };

/** Reads a manifest or an index, whichever it is: by `mediaType`, its own or the given one, else by its fields. */
export function parseManifestOrIndex(bytes: Uint8Array | string, options: ParseDocumentOptions = {}): ParsedDocument {
  const value = parseJson(bytes, 'image manifest') as { mediaType?: unknown; manifests?: unknown } | null;
  const mediaType = options.mediaType ?? value?.mediaType;
  const saysIndex = mediaType === MEDIA_TYPES.ociIndex || mediaType === MEDIA_TYPES.dockerIndex;
  const saysManifest = mediaType === MEDIA_TYPES.ociManifest || mediaType === MEDIA_TYPES.dockerManifest;
  return saysIndex || (!saysManifest && value?.manifests !== undefined)
    ? { kind: 'index', index: parseIndex(bytes, options) }
    : { kind: 'manifest', manifest: parseManifest(bytes, options) };
}

/**
 * Reads an image config (image-spec, config.md; Docker's has the same form). Unknown fields are kept.
 *
 * @throws BuildError `IMAGE_INVALID` with the path of what is wrong.
 */
export function parseConfig(bytes: Uint8Array | string): ImageConfig {
  const value = parseJson(bytes, 'image config');
  isImageConfig(value, '$');
  const config = withoutNulls(value as ImageConfig);
  return {
    ...config,
    ...(config.config === undefined ? {} : { config: withoutNulls(config.config) }),
    ...(config.history === undefined ? {} : { history: config.history.map(withoutNulls) }),
    rootfs: { ...config.rootfs, diff_ids: config.rootfs.diff_ids ?? [] },
  };
}

/** Checks the `oci-layout` file of an image layout. @throws BuildError `IMAGE_INVALID` for another version than 1.0.0. */
export function parseLayout(bytes: Uint8Array | string): { readonly imageLayoutVersion: '1.0.0' } {
  const value = parseJson(bytes, 'oci-layout file');
  isLayout(value, '$');
  return value as { readonly imageLayoutVersion: '1.0.0' };
}

function refuseSchema1(value: unknown): void {
  if ((value as { schemaVersion?: unknown } | null)?.schemaVersion !== 1) return;
  throw new BuildError('IMAGE_INVALID', 'The image cannot be read: its manifest is of schema 1, which is obsolete.', {
    hint: 'Push the image again with a current tool.',
  });
}

function refuseAmbiguity(
  document: object,
  { mediaType, foreign }: { readonly mediaType: string | undefined; readonly foreign: readonly string[] },
): void {
  const field = foreign.find((name) => name in document);
  if (field !== undefined) throw invalidAt(field, 'has no place in a document of this kind');
  const own = (document as { mediaType?: string }).mediaType;
  if (own !== undefined && mediaType !== undefined && own !== mediaType) {
    throw invalidAt(
      'mediaType',
      `is ${JSON.stringify(own)}, but the document was announced as ${JSON.stringify(mediaType)}`,
    );
  }
}
