import { type BytePath, baseNameOf, parentOf } from '../../core/index.ts';

const PREFIX = '.wh.';

/** What the name of a layer's member means (image-spec, layer.md); undefined for an ordinary name. */
export function readWhiteout(
  path: BytePath,
): { readonly kind: 'whiteout' | 'opaque' | 'reserved'; readonly path: BytePath } | undefined {
  const name = baseNameOf(path);
  if (!name.startsWith(PREFIX)) return undefined;
  const parent = parentOf(path);
  if (name === `${PREFIX}${PREFIX}.opq`) return { kind: 'opaque', path: parent };
  const hidden = name.slice(PREFIX.length);
  if (hidden === '' || hidden.startsWith(PREFIX)) return { kind: 'reserved', path };
  return { kind: 'whiteout', path: parent === '' ? hidden : `${parent}/${hidden}` };
}
