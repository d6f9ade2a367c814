import { createHash, type Hash } from 'node:crypto';
import { BuildError } from './errors.ts';

/** A content digest in its OCI text form, `algorithm:hex` (image-spec, descriptor.md). */
export type Digest = `${'sha256' | 'sha512'}:${string}`;

const PATTERN = /^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/;

export function isDigest(text: string): text is Digest {
  return PATTERN.test(text);
}

/** @throws BuildError `REFERENCE_INVALID` when the text is no sha256 or sha512 digest. */
export function parseDigest(text: string): Digest {
  if (isDigest(text)) return text;
  throw new BuildError('REFERENCE_INVALID', `"${text}" is not a digest.`, {
    hint: 'A digest is "sha256:" followed by 64 lower-case hexadecimal digits.',
  });
}

/** The sha256 digest of some bytes (a string counts as its UTF-8 bytes). */
export function digestOf(bytes: string | Uint8Array): Digest {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

export function digestAlgorithm(digest: Digest): 'sha256' | 'sha512' {
  return digest.startsWith('sha512') ? 'sha512' : 'sha256';
}

export function digestHex(digest: Digest): string {
  return digest.slice(digest.indexOf(':') + 1);
}

/** A digest computed piece by piece. */
export interface Digester {
  update(bytes: Uint8Array): void;
  digest(): Digest;
}

export function createDigester(algorithm: 'sha256' | 'sha512' = 'sha256'): Digester {
  const hash: Hash = createHash(algorithm);
  return {
    update: (bytes) => {
      hash.update(bytes);
    },
    digest: () => `${algorithm}:${hash.digest('hex')}`,
  };
}

/**
 * A digest over named fields that no two different field lists share: every name and value is framed by its length
 * (rule: keys need unambiguous framing).
 */
export function digestOfFields(fields: ReadonlyArray<readonly [name: string, value: string]>): Digest {
  const hash = createHash('sha256');
  for (const [name, value] of fields) {
    hash.update(`${Buffer.byteLength(name)}:${Buffer.byteLength(value)}\n`);
    hash.update(name);
    hash.update(value);
  }
  return `sha256:${hash.digest('hex')}`;
}

/** The chain ID of a stack of layers, lowest first (image-spec, config.md). Undefined for no layers. */
export function chainIdOf(diffIds: readonly Digest[]): Digest | undefined {
  return diffIds.reduce<Digest | undefined>(
    (chain, diffId) => (chain === undefined ? diffId : digestOf(`${chain} ${diffId}`)),
    undefined,
  );
}
