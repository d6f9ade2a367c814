import { BuildError } from '../../core/index.ts';
import type { InspectResponse } from '../../rpc/index.ts';
import { type Capabilities, FEATURES, type Feature } from '../needs/features.ts';

/** What only a daemon of protocol 2 takes. */
const SINCE_2: readonly Feature[] = [
  'cache-from',
  'cache-to',
  'cache-mounts-from',
  'cache-mounts-to',
  'context-layout',
  'annotation-levels',
  'squash-since',
  'force-compression',
  'push-by-digest',
];

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
  'output-load',
  'plan',
];

const UNKNOWN = 'needs a newer daemon: this one does not know of it';
const OLD = 'needs a daemon with the extensions of its protocol, which this one lacks';

/** What a daemon can do: what it says it lacks, and what it cannot be asked for. Before it was asked: what ours can. */
export function capabilitiesOf(inspected: InspectResponse | undefined): Capabilities {
  const reasonFor = (feature: Feature): true | string => {
    if (inspected === undefined) return true;
    const { protocol, lacking } = inspected;
    if (protocol === 0) return EXTENSIONS.includes(feature) || SINCE_2.includes(feature) ? OLD : true;
    if (protocol < 2 && SINCE_2.includes(feature)) return OLD;
    // A daemon tells of every feature that it knows.
    return lacking[feature] === undefined ? UNKNOWN : lacking[feature] || true;
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
