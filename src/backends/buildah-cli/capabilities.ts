import { type Capabilities, FEATURES, type Feature } from '../needs/features.ts';
import type { Isolation } from './isolation.ts';
import { type BuildahVersion, formatVersion, MINIMUM_VERSION } from './version.ts';

/** What decides what a buildah can do. */
export interface BuildahFacts {
  readonly version: BuildahVersion;
  readonly isolation: Isolation;
}

/** Until a host was asked: the least that every host that is available can do. */
export const LEAST_FACTS: BuildahFacts = { version: MINIMUM_VERSION, isolation: 'chroot' };

type Denial = readonly [
  feature: Feature,
  reason: (facts: BuildahFacts) => string,
  applies?: (facts: BuildahFacts) => boolean,
];

const named = ({ version }: BuildahFacts): string => `buildah ${formatVersion(version)}`;
const inChroot = ({ isolation }: BuildahFacts): boolean => isolation === 'chroot';

/**
 * What is not offered, and why. Everything else is honoured: what buildah knows not, such as heredocs, downloads and
 * checksums, is lowered to files before it is called; what it would lose of the config is written afterwards.
 */
const DENIALS: readonly Denial[] = [
  ['step-device', (facts) => `${named(facts)} offers no CDI devices to a step`],
  [
    'shm-size',
    (facts) => `${named(facts)} shares the host's /dev/shm with its steps under the isolation chroot`,
    inChroot,
  ],
  [
    'cache-from',
    (facts) =>
      `${named(facts)} takes results of steps from its own storage alone, by a history that no other builder writes`,
  ],
  [
    'cache-to',
    (facts) =>
      `${named(facts)} keeps results of steps as images of its own storage, which no other builder can look up`,
  ],
  ['cache-mounts-from', () => 'buildah tells of a step when it runs already: its cache mounts cannot be filled before'],
  ['cache-mounts-to', () => 'buildah has locks of its own for cache mounts, which nobody else can hold to read them'],
  ['plan', (facts) => `${named(facts)} tells what is cached only by building`],
];

/** The features of a buildah: `true`, or why not. */
export function capabilitiesOf(facts: BuildahFacts): Capabilities {
  const all = Object.fromEntries(Object.keys(FEATURES).map((feature) => [feature, true])) as Record<
    Feature,
    true | string
  >;
  for (const [feature, reason, applies] of DENIALS) if (applies?.(facts) ?? true) all[feature] = reason(facts);
  return all;
}
