import type { LoweredRequest as Lowered } from '../lower-request.ts';
import type { BaseImage } from './resolve-base.ts';

export { checkRequest, lowerOptions, lowerRequest } from '../lower-request.ts';

/** A request as a graph, with the images that it stands on. */
export type LoweredRequest = Lowered<BaseImage>;
