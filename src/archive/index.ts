export type { CompressGzipOptions, CompressZstdOptions } from './compress.ts';
export { canCompressZstd, compressGzip, compressZstd, decompress } from './compress-on-demand.ts';
export { COMPRESSION_MAGIC_BYTES, type CompressionKind, detectCompression } from './compression.ts';
export { readContent } from './content.ts';
export type { ExtractOptions, ExtractResult } from './directory-writer.ts';
export * from './entry.ts';
export { extractTar } from './extract.ts';
export { type IndexLayerOptions, indexLayer } from './index-layer.ts';
export { createLayerView, type IndexedLayer } from './layer-view.ts';
export { treeFromEntries } from './memory-tree.ts';
export { readTar, type TarEntry } from './read-tar.ts';
export { type ResolvePathOptions, resolvePath } from './resolve-path.ts';
export { squashLayers } from './squash-layers.ts';
export { type ByteSink, createTarEncoder, type TarEncoder } from './tar-encoder.ts';
export { encodeToc, openToc, type Toc, type TocNode } from './toc.ts';
export { layerEntriesOf, walkTree } from './walk-tree.ts';
export {
  createLayerWriter,
  type LayerWriter,
  type WriteLayerOptions,
  type WrittenLayer,
  writeLayer,
} from './write-layer.ts';
