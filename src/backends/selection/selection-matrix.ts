import { DAEMON_ADDRESS } from './backend-rules.ts';
import type { BackendKind, ImageOs } from './kinds.ts';
import { candidatesFor } from './select-backend.ts';

/** The backends that are tried for one kind of image on one kind of host, in order. */
export interface MatrixRow {
  readonly host: string;
  readonly images: ImageOs;
  readonly order: readonly BackendKind[];
}

const HOSTS = [
  ['Linux', 'linux'],
  ['macOS', 'darwin'],
  ['Windows', 'win32'],
  ['other Unix', 'freebsd'],
] as const;

/** The order on every kind of host, where the address of a daemon is configured. */
export function selectionMatrix(): readonly MatrixRow[] {
  const env = { [DAEMON_ADDRESS]: 'builder.example:7443' };
  return HOSTS.flatMap(([host, platform]) =>
    (['linux', 'windows'] as const).map((images) => ({
      host,
      images,
      order: candidatesFor(images, { platform, architecture: 'x64', env }).map(({ backend }) => backend),
    })),
  );
}
