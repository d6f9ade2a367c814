import { BuildError, isBuildError } from '../../core/index.ts';
import type { Availability } from '../types.ts';
import { adviceFor, DAEMON_ADDRESS, imageOsName, requireAllowed } from './backend-rules.ts';
import { type HostFacts, hostName, hostOsOf, variableOf } from './host-facts.ts';
import { type BackendKind, type ImageOs, parseBackendKind } from './kinds.ts';

/** The variable that names a backend. */
export const BACKEND_VARIABLE = 'ZLAYER_BACKEND';

/** What is asked for. */
export interface BackendChoice {
  /** By option or in the request; before everything else. */
  readonly backend?: BackendKind | undefined;
  /** Of the images. */
  readonly os: ImageOs;
}

/** Who builds, and why. */
export interface Selection {
  readonly backend: BackendKind;
  readonly origin: 'option' | 'environment' | 'automatic';
  /** A sentence. */
  readonly reason: string;
  /** Backends that would have come first, with what was in the way. */
  readonly passedOver: ReadonlyArray<{ readonly backend: BackendKind; readonly reasons: readonly string[] }>;
}

/** A backend that the matrix offers. Those that are not `certain` are asked whether they can work before they are taken. */
export interface Candidate {
  readonly backend: BackendKind;
  readonly certain: boolean;
  /** Why it is taken: a sentence. */
  readonly reason: string;
}

/**
 * Who builds: the option, else `ZLAYER_BACKEND`, else the first backend of the matrix that can work. A backend that was named
 * is taken or refused, never replaced, and never probed. `probe` is called for candidates in their order, only until one is
 * taken.
 *
 * @throws BuildError `UNSUPPORTED` for a named backend that cannot build such images, or not here, and where no backend can;
 * `BACKEND_UNAVAILABLE` where none of those that could is there; `USAGE` for an unknown name in `ZLAYER_BACKEND`.
 */
export async function selectBackend(
  probe: (kind: BackendKind) => Promise<Availability>,
  choice: BackendChoice,
  host: HostFacts,
): Promise<Selection> {
  const named = namedBackend(choice, host);
  if (named !== undefined) return named;
  const passedOver: Array<Selection['passedOver'][number]> = [];
  for (const { backend, certain, reason } of candidatesFor(choice.os, host)) {
    const found = certain ? undefined : await probe(backend);
    if (found === undefined || found.available) return { backend, origin: 'automatic', reason, passedOver };
    passedOver.push({ backend, reasons: found.reasons });
  }
  throw noBackend(choice.os, host, passedOver);
}

/** The backend that was named, by option or variable; undefined when none was. @throws BuildError as `selectBackend` does. */
export function namedBackend({ backend, os }: BackendChoice, host: HostFacts): Selection | undefined {
  if (backend !== undefined) {
    requireAllowed(backend, os, host);
    return { backend, origin: 'option', reason: 'It was asked for.', passedOver: [] };
  }
  const text = variableOf(host.env, BACKEND_VARIABLE);
  if (text === undefined) return undefined;
  return fromVariable(text, () => {
    const kind = parseBackendKind(text);
    requireAllowed(kind, os, host);
    return { backend: kind, origin: 'environment', reason: `${BACKEND_VARIABLE} is ${text.trim()}.`, passedOver: [] };
  });
}

/** Errors about a variable begin with it: the command line shows nothing of where the name came from. */
function fromVariable<T>(text: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!isBuildError(error)) throw error;
    throw new BuildError(error.code, `${BACKEND_VARIABLE}=${text}: ${error.message}`, {
      hint: error.hint,
      cause: error,
    });
  }
}

const BUILDAH: Candidate = { backend: 'buildah-cli', certain: false, reason: 'buildah is installed.' };

/** The matrix: the backends for images of an operating system on a host, in the order in which they are tried. */
export function candidatesFor(os: ImageOs, host: HostFacts): readonly Candidate[] {
  const hostOs = hostOsOf(host);
  if (os === 'windows') {
    return hostOs === 'windows' ? [{ backend: 'hcs', certain: true, reason: 'Windows builds Windows images.' }] : [];
  }
  const address = variableOf(host.env, DAEMON_ADDRESS);
  const daemon: Candidate = {
    backend: 'buildah-sidecar',
    certain: false,
    reason: `The daemon at ${address} (${DAEMON_ADDRESS}) answers.`,
  };
  const rest: Readonly<Record<typeof hostOs, readonly Candidate[]>> = {
    linux: [{ backend: 'native', certain: false, reason: 'Steps can be isolated without any other program.' }, BUILDAH],
    macos: [BUILDAH, { backend: 'sandbox', certain: true, reason: 'Nothing else is here.' }],
    unix: [BUILDAH],
    windows: [],
  };
  return [...(address === undefined ? [] : [daemon]), ...rest[hostOs]];
}

function noBackend(os: ImageOs, host: HostFacts, passedOver: Selection['passedOver']): BuildError {
  const what = `${imageOsName(os)} images cannot be built on this host, which is ${hostName(host)}`;
  if (passedOver.length === 0) {
    const because = os === 'windows' ? 'they need a Windows host' : 'they need a Linux host';
    return new BuildError('UNSUPPORTED', `${what}: ${because}.`, { hint: adviceFor(os, host) });
  }
  const reasons = passedOver.map(({ backend, reasons: all }) => `${backend}: ${all.join('; ')}`);
  return new BuildError('BACKEND_UNAVAILABLE', `${what}. ${reasons.join('. ')}`, { hint: adviceFor(os, host) });
}
