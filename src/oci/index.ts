export { BUILDKIT_CACHE_FIELD, CACHE_FIELDS, INLINE_CACHE_FIELD } from './cache-fields.ts';
export { blobOf, isIndexType } from './descriptor.ts';
export { encodeConfig, encodeIndex, encodeManifest } from './encode-documents.ts';
export { type MediaFamily, mediaFamilyOf, toDockerManifest, toOciManifest } from './media-families.ts';
export {
  type ParseDocumentOptions,
  type ParsedDocument,
  parseConfig,
  parseIndex,
  parseLayout,
  parseManifest,
  parseManifestOrIndex,
} from './parse-documents.ts';
export {
  type FoundDocuments,
  findConfig,
  findDocument,
  findImageDocuments,
  type ImageChoice,
  type ImageDocuments,
  listIndexImages,
  readDocument,
  readImage,
  readVerified,
} from './read-image.ts';
export * from './select-manifest.ts';
export * from './types.ts';
