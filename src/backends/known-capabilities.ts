import { capabilitiesOf as capabilitiesOfBuildah, LEAST_FACTS } from './buildah-cli/capabilities.ts';
import { capabilitiesOf as capabilitiesOfDaemon } from './buildah-sidecar/capabilities.ts';
import { NATIVE_CAPABILITIES } from './native/native-capabilities.ts';
import type { Capabilities } from './needs/features.ts';
import type { BackendKind } from './selection/kinds.ts';

/** What each backend that has an engine can do before a host is asked: with the oldest buildah, and with a daemon like ours. */
export const KNOWN_CAPABILITIES = {
  native: NATIVE_CAPABILITIES,
  'buildah-cli': capabilitiesOfBuildah(LEAST_FACTS),
  'buildah-sidecar': capabilitiesOfDaemon(undefined),
} as const satisfies Partial<Readonly<Record<BackendKind, Capabilities>>>;
