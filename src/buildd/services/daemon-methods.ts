import { type BuildBackend, type Capabilities, FEATURES, type Feature } from '../../backends/index.ts';
import { formatPlatform, platformOfHost } from '../../core/index.ts';
import {
  type BuildService,
  HealthResponse_Status,
  type InspectResponseSchema,
  type MessageInput,
  type ServiceImplementation,
} from '../../rpc/index.ts';
import type { DaemonPolicy } from '../request/daemon-policy.ts';
import type { DaemonState } from './daemon-state.ts';

type Methods = Pick<ServiceImplementation<typeof BuildService>, 'inspect' | 'health'>;

/** With all extensions of our protocol file. */
const PROTOCOL = 2;

/** The methods about the daemon itself. */
export function createDaemonMethods(state: DaemonState): Methods {
  return {
    inspect: async (_, call) => {
      // Whoever asks this is about to ask for work.
      state.activity.touch();
      const backend = await state.backend();
      const found = await backend.isAvailable({ signal: call.signal, emit: () => undefined });
      return describe(state, backend, found.available ? found.details : found.reasons.join('; '));
    },
    health: async () =>
      state.isDraining()
        ? { status: HealthResponse_Status.NOT_SERVING, detail: 'The daemon is about to end.' }
        : {
            status: HealthResponse_Status.SERVING,
            detail: `${state.queue.running} builds run, ${state.queue.waiting} wait.`,
          },
  };
}

function describe(
  state: DaemonState,
  { name, capabilities }: BuildBackend,
  details: string,
): MessageInput<typeof InspectResponseSchema> {
  const { policy, queue } = state;
  return {
    sidecarVersion: state.version,
    buildahVersion: name === 'buildah-cli' ? (/\d+\.\d+\.\d+\S*/.exec(details)?.[0] ?? '') : '',
    supportedPlatforms: [formatPlatform(platformOfHost(process.platform, process.arch))],
    storageDriver: name === 'native' ? 'oci-layout' : '',
    storageRoot: state.storageRoot,
    protocol: PROTOCOL,
    lacking: lackingOf(capabilities, policy),
    backend: name,
    allowedContexts: [...policy.paths.allowed],
    maxConcurrent: state.maxConcurrent,
    running: queue.running,
    queued: queue.waiting,
  };
}

const ENTITLEMENTS: Readonly<Partial<Record<Feature, string>>> = {
  'network-host': 'network.host',
  'step-insecure': 'security.insecure',
};

function lackingOf(capabilities: Capabilities, { entitlements }: DaemonPolicy): { [feature: string]: string } {
  const features = Object.keys(FEATURES) as readonly Feature[];
  return Object.fromEntries(
    features.map((feature) => {
      const able = capabilities[feature];
      const entitlement = ENTITLEMENTS[feature];
      if (able !== true) return [feature, able];
      const isGranted = entitlement === undefined || entitlements.includes(entitlement);
      return [feature, isGranted ? '' : `the daemon's operator has not granted ${entitlement}`];
    }),
  );
}
