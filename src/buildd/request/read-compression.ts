import type { LayerCompression } from '../../backends/index.ts';
import { fieldError } from './parse-fields.ts';

/** The fields of a message that say how layers are compressed. */
export interface WireCompression {
  readonly compression: string;
  readonly compressionLevel: number;
  readonly forceCompression: boolean;
}

/** How layers leave the store; what is empty or 0 is left to the backend. @throws BuildError `USAGE` */
export function readCompression(
  { compression, compressionLevel, forceCompression }: WireCompression,
  field = 'compression',
): LayerCompression {
  if (compression !== '' && compression !== 'gzip' && compression !== 'zstd' && compression !== 'none') {
    throw fieldError(field, `has "${compression}"`, 'It is one of: gzip, zstd, none.');
  }
  return {
    ...(compression === '' ? {} : { compression }),
    ...(compressionLevel === 0 ? {} : { compressionLevel }),
    ...(forceCompression ? { forceCompression } : {}),
  };
}
