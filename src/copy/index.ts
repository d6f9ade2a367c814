export { copyImage } from './copy-image.ts';
export { parseImagePlace } from './parse-image-place.ts';
export type { CopiedImage, CopyDeps, CopyRequest, ImagePlace } from './types.ts';
