/** Operating system of the images that a build makes. */
export type ImageOs = 'linux' | 'windows';

/** The ways of building that there are, by their canonical names. */
export const BACKEND_KINDS = ['native', 'buildah-cli', 'buildah-sidecar', 'sandbox', 'hcs'] as const;

/** Name of a backend, as in `--backend` and `ZLAYER_BACKEND`. */
export type BackendKind = (typeof BACKEND_KINDS)[number];
