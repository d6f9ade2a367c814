export { type CompressedImage, type CompressOptions, compressLayers, requireZstd } from './compress-layers.ts';
export { type DockerOutput, encodeDockerArchive, writeDockerOutput } from './docker/write-output.ts';
export {
  findLayoutImage,
  type LayoutName,
  layoutFile,
  parseLayoutName,
  refNameOf,
} from './find-layout-image.ts';
export { type ImportRequest, importRootfs } from './import-rootfs.ts';
export { type ArchiveInput, loadArchive } from './load/load-archive.ts';
export { type LocalOutput, writeLocalOutput } from './local/write-output.ts';
export { encodeOciArchive, type OciOutput, writeOciOutput } from './oci/write-output.ts';
export { listPlatformImages, type PlatformImage } from './platform-images.ts';
export { type RegistryOutput, writeRegistryOutput } from './registry/write-output.ts';
export { type SaveRequest, saveImages } from './save-images.ts';
export { encodeRootfs, type TarOutput, writeTarOutput } from './tar/write-output.ts';
export type { NamedImage, OutputDeps } from './types.ts';
export { type Destination, writeDestination } from './write-destination.ts';
