export { readContent } from './content.ts';
export * from './entry.ts';
export type { ByteSink } from './tar-encoder.ts';
export { encodeToc, openToc, type Toc, type TocNode } from './toc.ts';
export {
  createLayerWriter,
  type LayerWriter,
  type WriteLayerOptions,
  type WrittenLayer,
  writeLayer,
} from './write-layer.ts';
