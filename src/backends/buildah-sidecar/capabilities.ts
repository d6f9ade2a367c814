import { BuildError } from '../../core/index.ts';
import type { InspectResponse } from '../../rpc/index.ts';
import { type Capabilities, FEATURES, type Feature } from '../needs/features.ts';

/** What cannot be sent, whatever the daemon can do: a layout is a directory, and a daemon reads none that it was not given. */
const NOT_SENT: Partial<Record<Feature, string>> = {
  'cache-from': 'cannot ask its daemon for shared caches',
  'cache-to': 'cannot ask its daemon to write shared caches',
  'cache-mounts-from': 'cannot ask its daemon to take cache mounts from elsewhere',
  'cache-mounts-to': 'cannot ask its daemon to leave cache mounts elsewhere',
  'context-layout': 'cannot send an image layout to its daemon',
};

/** What only the extensions carry. */
const EXTENSIONS: readonly Feature[] = [
  'mount-secret',
  'mount-secret-env',
  'mount-ssh',
  'no-cache-filter',
  'network-none',
  'context-directory',
  'context-image',
  'context-target',
  'parallelism',
  'credentials',
  'strict',
  'compression-zstd',
  'compression-none',
  'output-oci',
  'output-docker',
  'output-tar',
  'output-local',
  'plan',
];

const OLD = 'needs a daemon with the extensions of its protocol, which this one lacks';

/** What a daemon can do: what it says it lacks, and what it cannot be asked for. Before it was asked: what ours can. */
export function capabilitiesOf(inspected: InspectResponse | undefined): Capabilities {
  const isOld = inspected !== undefined && inspected.protocol === 0;
  const reasonFor = (feature: Feature): true | string => {
    const unsent = NOT_SENT[feature];
    if (unsent !== undefined) return unsent;
    if (isOld && EXTENSIONS.includes(feature)) return OLD;
    return inspected?.lacking[feature] || true;
  };
  const features = Object.keys(FEATURES) as readonly Feature[];
  return Object.fromEntries(features.map((feature) => [feature, reasonFor(feature)])) as Capabilities;
}

/** @throws BuildError `UNSUPPORTED` for an operation that a daemon of the first protocol does not have. */
export function requireExtensions({ protocol, sidecarVersion }: InspectResponse, what: string): void {
  if (protocol > 0) return;
  const version = sidecarVersion === '' ? '' : ` (${sidecarVersion})`;
  throw new BuildError(
    'UNSUPPORTED',
    `This build daemon${version} cannot ${what}: it speaks the first protocol alone.`,
    {
      hint: 'Use a daemon started by `zlayer buildd`.',
    },
  );
}
