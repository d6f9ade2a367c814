import { BuildError, nearestWord } from '../../core/index.ts';

/** Operating system of the images that a build makes. */
export type ImageOs = 'linux' | 'windows';

const IMAGE_OSES: readonly ImageOs[] = ['linux', 'windows'];

/** The ways of building that there are, by their canonical names. */
export const BACKEND_KINDS = ['native', 'buildah-cli', 'buildah-sidecar', 'sandbox', 'hcs'] as const;

/** Name of a backend, as in `--backend` and `ZLAYER_BACKEND`. */
export type BackendKind = (typeof BACKEND_KINDS)[number];

/** Further names under which each backend is known. */
export const BACKEND_ALIASES: Readonly<Record<BackendKind, readonly string[]>> = {
  native: [],
  'buildah-cli': ['buildah', 'cli'],
  'buildah-sidecar': ['sidecar', 'buildd'],
  sandbox: ['macos-sandbox'],
  hcs: ['windows-hcs'],
};

/**
 * The operating system that a text names, alone or as the first part of `os/arch[/variant]`, in any case.
 *
 * @throws BuildError `USAGE` for anything but linux and windows.
 */
export function parseImageOs(text: string): ImageOs {
  const word = text.split('/', 1)[0]!.trim().toLowerCase();
  const os = IMAGE_OSES.find((name) => name === word);
  if (os !== undefined) return os;
  throw new BuildError('USAGE', `"${text}" does not name an operating system that images are built for.`, {
    hint: `It is one of: ${IMAGE_OSES.join(', ')}, alone or as in linux/arm64.`,
  });
}

/**
 * The backend that a name or an alias means, in any case.
 *
 * @throws BuildError `USAGE`, with the canonical names.
 */
export function parseBackendKind(text: string): BackendKind {
  const word = text.trim().toLowerCase();
  const kind = BACKEND_KINDS.find((name) => name === word || BACKEND_ALIASES[name].includes(word));
  if (kind !== undefined) return kind;
  const nearest = nearestWord(word, BACKEND_KINDS);
  throw new BuildError(
    'USAGE',
    `There is no backend "${text}". The backends are ${BACKEND_KINDS.join(', ')}.`,
    nearest === undefined ? {} : { hint: `Did you mean ${nearest}?` },
  );
}
