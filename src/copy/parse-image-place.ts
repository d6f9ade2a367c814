import { BuildError, parseReference } from '../core/index.ts';
import type { ImagePlace } from './types.ts';

/** Places that other tools know, and what to use instead of them. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  'containers-storage': 'Let podman or buildah push or save the image, and copy from there.',
  'docker-daemon': 'Use `docker save` and docker-archive:FILE, or `zlayer save IMAGE | docker load`.',
  dir: 'Use an OCI image layout: oci:DIRECTORY.',
  ostree: 'Use an OCI image layout: oci:DIRECTORY.',
  sif: 'Use an archive: oci-archive:FILE.',
  tarball: 'Use `zlayer import` for the tar of a root file system.',
};

/**
 * Reads a place as skopeo's users write it: `docker://NAME` or a plain name, `oci:PATH[:NAME]`, `oci-archive:FILE[:NAME]`,
 * `docker-archive:FILE[:NAME]`; and `store:NAME` for the local store. A path ends at its first colon.
 *
 * @throws BuildError `REFERENCE_INVALID`, `USAGE` for a place without a path; `UNSUPPORTED` for places of other tools.
 */
export function parseImagePlace(text: string): ImagePlace {
  const [, scheme, rest = ''] = /^([a-z][a-z-]*):(.*)$/s.exec(text) ?? [];
  switch (scheme) {
    case 'docker':
      if (!rest.startsWith('//')) break;
      return { kind: 'registry', reference: parseReference(rest.slice(2)) };
    case 'store':
      return { kind: 'store', name: required(text, rest) };
    case 'oci':
    case 'oci-archive':
    case 'docker-archive': {
      const colon = rest.indexOf(':');
      const path = required(text, colon < 0 ? rest : rest.slice(0, colon));
      const name = colon < 0 ? undefined : rest.slice(colon + 1);
      return { kind: scheme, path, ...(name === undefined || name === '' ? {} : { name }) };
    }
  }
  const hint = ELSEWHERE[scheme ?? ''];
  if (hint !== undefined) throw new BuildError('UNSUPPORTED', `"${text}" cannot be copied from or to.`, { hint });
  return { kind: 'registry', reference: parseReference(text) };
}

function required(text: string, part: string): string {
  if (part !== '') return part;
  throw new BuildError('USAGE', `"${text}" names no image: nothing follows its kind.`, {
    hint: 'Write store:NAME, oci:DIRECTORY[:NAME], oci-archive:FILE[:NAME] or docker-archive:FILE[:NAME].',
  });
}
