import { BuildError } from '../../core/index.ts';
import type { Vertex } from '../../graph/index.ts';

/** The error for words that buildah's parser would take apart. */
export function unsayable({ info }: Vertex, what: string): BuildError {
  const why = "it holds characters that buildah's parser does not take";
  return new BuildError('UNSUPPORTED', `The backend buildah-cli cannot be told ${what}: ${why}.`, {
    location: info.location,
    hint: 'Use other characters, or --backend native.',
  });
}
