export { type AssembledImage, type AssembleInput, assembleImage } from '../assemble-image.ts';
