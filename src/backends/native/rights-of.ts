import type { Vertex } from '../../graph/index.ts';
import type { BuildRequest, SecretInput } from '../types.ts';

/** Values and functions are told apart by the object that holds them. */
const numbers = new WeakMap<SecretInput, number>();
let count = 0;

/**
 * The secrets and agents of a request that a step takes, as a text: steps that are run with the same may stand for one
 * another. Values are not in it.
 */
export function rightsOf({ op }: Vertex, { secrets = {}, ssh = {} }: BuildRequest): string {
  if (op.kind !== 'exec') return '';
  const taken = op.mounts.flatMap((mount): readonly unknown[] => {
    if (mount.kind === 'secret') return [[mount.id, secretRight(secrets[mount.id])]];
    return mount.kind === 'ssh' ? [[mount.id, ssh[mount.id] ?? null]] : [];
  });
  return taken.length === 0 ? '' : JSON.stringify(taken);
}

function secretRight(input: SecretInput | undefined): unknown {
  if (input === undefined) return null;
  if (input.kind === 'file') return ['file', input.path];
  if (input.kind === 'env') return ['env', input.name];
  const known = numbers.get(input);
  if (known !== undefined) return known;
  count += 1;
  numbers.set(input, count);
  return count;
}
