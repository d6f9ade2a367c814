import { BuildError, parseReference } from '../../core/index.ts';

/**
 * A name without the transport that clients of the first protocol put before it (`docker://`).
 *
 * @throws BuildError `UNSUPPORTED` for other transports, which would write files of the daemon's host.
 */
export function stripScheme(text: string): string {
  const match = /^([a-z-]+):\/\/(.*)$/.exec(text);
  if (match === null) return text;
  const [, scheme = '', name = ''] = match;
  if (scheme === 'docker') return name;
  throw new BuildError('UNSUPPORTED', `The daemon pushes to registries alone, not to "${scheme}://".`, {
    hint: 'Use docker://NAME. The RPC Export brings an image to the client.',
  });
}

/** The registry that a name belongs to. @throws BuildError `REFERENCE_INVALID` */
export function registryOf(destination: string): string {
  return parseReference(stripScheme(destination)).registry;
}
