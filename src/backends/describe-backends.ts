import { platformOfHost, type RunContext, toBuildError } from '../core/index.ts';
import type { BackendDeps } from './backend-deps.ts';
import { createBackend } from './create-backend.ts';
import type { Feature } from './needs/features.ts';
import { adviceFor, DAEMON_ADDRESS, hostRejectionOf, WITHOUT_ENGINE } from './selection/backend-rules.ts';
import { factsOfHost, type HostFacts, hostName, variableOf } from './selection/host-facts.ts';
import { BACKEND_ALIASES, BACKEND_KINDS, type BackendKind, type ImageOs } from './selection/kinds.ts';
import { candidatesFor, type Selection, selectBackend } from './selection/select-backend.ts';
import type { Availability } from './types.ts';

/** A backend as it stands on this host. */
export interface BackendStatus {
  readonly name: BackendKind;
  readonly aliases: readonly string[];
  /** `started-on-demand`: can be asked for, and is only looked at then. */
  readonly status: 'available' | 'unavailable' | 'started-on-demand';
  /** What it found, such as a version; or everything that is in the way. Sentences. */
  readonly details: readonly string[];
  /** What it cannot do, with the reasons; undefined where it cannot be used at all. */
  readonly lacking?: Readonly<Partial<Record<Feature, string>>>;
}

/** Who builds images of an operating system when nobody is named by option. */
export interface BackendDecision {
  readonly images: ImageOs;
  /** The order in which backends are tried. Empty where none can. */
  readonly order: readonly BackendKind[];
  /** Undefined where no backend can. */
  readonly backend: BackendKind | undefined;
  readonly origin: Selection['origin'];
  /** Why. A sentence or two. */
  readonly reason: string;
}

/** The whole matrix for one host. */
export interface BackendReport {
  /** `os/arch` of the host. */
  readonly host: string;
  readonly backends: readonly BackendStatus[];
  readonly decisions: readonly BackendDecision[];
}

/**
 * All backends with what is in their way on this host, and which of them builds. Asks every backend that could work whether
 * it can, but starts no daemon.
 */
export async function describeBackends(deps: BackendDeps, context: RunContext): Promise<BackendReport> {
  const host = factsOfHost(deps.env);
  const backends = await Promise.all(BACKEND_KINDS.map((kind) => describeBackend(deps, { kind, host }, context)));
  const probe = async (kind: BackendKind): Promise<Availability> => {
    const { status, details } = backends.find(({ name }) => name === kind)!;
    return status === 'unavailable'
      ? { available: false, reasons: details }
      : { available: true, details: details.join(' ') };
  };
  const decisions = [];
  for (const os of ['linux', 'windows'] as const) decisions.push(await decide(probe, os, host));
  const { os, architecture } = platformOfHost(host.platform, host.architecture);
  return { host: `${os}/${architecture}`, backends, decisions };
}

interface Described {
  readonly kind: BackendKind;
  readonly host: HostFacts;
}

async function describeBackend(
  deps: BackendDeps,
  { kind, host }: Described,
  context: RunContext,
): Promise<BackendStatus> {
  const known = { name: kind, aliases: BACKEND_ALIASES[kind] };
  const rejection = hostRejectionOf(kind, host);
  if (rejection !== undefined)
    return { ...known, status: 'unavailable', details: [`Not on this host: it ${rejection}.`] };
  if (WITHOUT_ENGINE.includes(kind)) {
    const details = [`This version cannot build on ${hostName(host)} yet.`];
    return { ...known, status: 'unavailable', details };
  }
  const backend = await createBackend(deps, kind);
  try {
    const isDaemon = kind === 'buildah-sidecar' && variableOf(host.env, DAEMON_ADDRESS) === undefined;
    if (isDaemon) {
      const details = ['Starts a daemon of this user when it is asked for.'];
      return { ...known, status: 'started-on-demand', details, lacking: lackingOf(backend.capabilities) };
    }
    const found = await backend.isAvailable(context);
    if (!found.available) return { ...known, status: 'unavailable', details: found.reasons };
    const details = [found.details];
    return { ...known, status: 'available', details, lacking: lackingOf(backend.capabilities) };
  } finally {
    await backend.close();
  }
}

function lackingOf(capabilities: Readonly<Record<string, true | string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(capabilities).flatMap(([feature, reason]) => (reason === true ? [] : [[feature, reason]])),
  );
}

async function decide(
  probe: (kind: BackendKind) => Promise<Availability>,
  os: ImageOs,
  host: HostFacts,
): Promise<BackendDecision> {
  const order = candidatesFor(os, host).map(({ backend }) => backend);
  try {
    const { backend, origin, reason } = await selectBackend(probe, { os }, host);
    return { images: os, order, backend, origin, reason };
  } catch (thrown) {
    const { message, hint } = toBuildError(thrown);
    const reason = [message, hint ?? adviceFor(os, host)].join(' ');
    return { images: os, order, backend: undefined, origin: 'automatic', reason };
  }
}
