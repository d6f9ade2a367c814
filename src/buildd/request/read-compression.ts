import type { LayerCompression } from '../../backends/index.ts';
import { fieldError } from './parse-fields.ts';

/** How layers leave the store; what is empty or 0 is left to the backend. @throws BuildError `USAGE` */
export function readCompression(compression: string, level: number, field = 'compression'): LayerCompression {
  if (compression !== '' && compression !== 'gzip' && compression !== 'zstd' && compression !== 'none') {
    throw fieldError(field, `has "${compression}"`, 'It is one of: gzip, zstd, none.');
  }
  return {
    ...(compression === '' ? {} : { compression }),
    ...(level === 0 ? {} : { compressionLevel: level }),
  };
}
