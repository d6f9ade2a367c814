export { type CompressedImage, type CompressOptions, compressLayers, requireZstd } from './compress-layers.ts';
export {
  type DockerOutput,
  encodeDockerArchive,
  encodeSavedImages,
  type SavedImage,
  writeDockerOutput,
} from './docker/write-output.ts';
export { findEngine } from './engine/find-engine.ts';
export { ENGINE_KINDS, type Engine, type EngineKind } from './engine/types.ts';
export {
  findLayoutImage,
  type LayoutName,
  layoutFile,
  parseLayoutName,
  refNameOf,
} from './find-layout-image.ts';
export { listImageBlobs } from './image-blobs.ts';
export { type ImportRequest, importRootfs } from './import-rootfs.ts';
export { layoutEntry } from './layout-files.ts';
export { type ArchiveInput, loadArchive, type OpenedLayout, openLayout, readArchive } from './load/load-archive.ts';
export { type LocalOutput, writeLocalOutput } from './local/write-output.ts';
export {
  encodeLayout,
  encodeOciArchive,
  type LayoutContent,
  type OciOutput,
  writeLayout,
  writeOciOutput,
} from './oci/write-output.ts';
export { listPlatformImages, type PlatformImage } from './platform-images.ts';
export { addOrigin, readOrigins } from './registry/origins.ts';
export { type RegistryOutput, writeRegistryOutput } from './registry/write-output.ts';
export { type SaveRequest, saveImages } from './save-images.ts';
export { type TarOutput, writeTarOutput } from './tar/write-output.ts';
export type { FoundImage, NamedImage, OutputDeps } from './types.ts';
export { type Destination, writeDestination } from './write-destination.ts';
