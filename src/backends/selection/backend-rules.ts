import { BuildError } from '../../core/index.ts';
import { type HostFacts, type HostOs, hostName, hostOsOf, variableOf } from './host-facts.ts';
import { BACKEND_KINDS, type BackendKind, type ImageOs } from './kinds.ts';

/** The variable that says where a daemon listens; with it the sidecar works on every host. */
export const DAEMON_ADDRESS = 'ZLAYER_BUILDD_ADDR';

interface BackendRule {
  readonly images: ImageOs;
  readonly hosts: readonly HostOs[];
  /** Why not on other hosts: the rest of a sentence. */
  readonly otherwise: string;
}

const RULES: Readonly<Record<BackendKind, BackendRule>> = {
  native: { images: 'linux', hosts: ['linux'], otherwise: 'runs steps in namespaces of the Linux kernel' },
  'buildah-cli': {
    images: 'linux',
    hosts: ['linux', 'macos', 'unix'],
    otherwise: 'drives buildah, which needs a Unix',
  },
  'buildah-sidecar': {
    images: 'linux',
    hosts: ['linux'],
    otherwise: `starts a daemon, which builds on Linux; elsewhere it needs ${DAEMON_ADDRESS}, the address of one on a Linux host`,
  },
  sandbox: { images: 'linux', hosts: ['macos'], otherwise: 'uses the sandbox of macOS' },
  hcs: { images: 'windows', hosts: ['windows'], otherwise: 'uses the Host Compute Service of Windows' },
};

/** Backends that are known, but whose engine is not part of this version. */
export const WITHOUT_ENGINE: readonly BackendKind[] = ['sandbox', 'hcs'];

/** How an operating system of images is called in messages. */
export function imageOsName(os: ImageOs): string {
  return os === 'linux' ? 'Linux' : 'Windows';
}

/** What keeps a backend from building images of an operating system, whatever is installed; undefined when nothing does. */
export function rejectionOf(kind: BackendKind, os: ImageOs, host: HostFacts): string | undefined {
  const rule = RULES[kind];
  if (rule.images !== os) {
    return `The backend ${kind} builds ${imageOsName(rule.images)} images, and the image is to be a ${imageOsName(os)} one.`;
  }
  const reason = hostRejectionOf(kind, host);
  return reason === undefined
    ? undefined
    : `The backend ${kind} cannot be used on this host, which is ${hostName(host)}: it ${reason}.`;
}

/** What keeps a backend from this host: what it does, as the end of a sentence; undefined when nothing does. */
export function hostRejectionOf(kind: BackendKind, host: HostFacts): string | undefined {
  const { hosts, otherwise } = RULES[kind];
  return hosts.includes(hostOsOf(host)) || isConfiguredDaemon(kind, host) ? undefined : otherwise;
}

function isConfiguredDaemon(kind: BackendKind, { env }: HostFacts): boolean {
  return kind === 'buildah-sidecar' && variableOf(env, DAEMON_ADDRESS) !== undefined;
}

/** The backends that nothing but missing programs can keep from building images of an operating system on a host. */
export function backendsFor(os: ImageOs, host: HostFacts): readonly BackendKind[] {
  return BACKEND_KINDS.filter((kind) => !WITHOUT_ENGINE.includes(kind) && rejectionOf(kind, os, host) === undefined);
}

/** What would work instead, as sentences. */
export function adviceFor(os: ImageOs, host: HostFacts): string {
  const kinds = backendsFor(os, host);
  if (kinds.length > 0) return `${imageOsName(os)} images are built on this host with ${listOf(kinds)}.`;
  return os === 'linux'
    ? `Start \`zlayer buildd\` on a Linux host and set ${DAEMON_ADDRESS} to its address.`
    : 'They are built on Windows hosts, where this version cannot build yet.';
}

/** `a`, `a or b`, `a, b or c`. */
export function listOf(words: readonly string[]): string {
  const [last = '', ...others] = words.toReversed();
  return others.length === 0 ? last : `${others.toReversed().join(', ')} or ${last}`;
}

/** @throws BuildError `UNSUPPORTED` where a backend cannot build such images here; the images' operating system comes first. */
export function requireAllowed(kind: BackendKind, os: ImageOs, host: HostFacts): void {
  const reason = rejectionOf(kind, os, host);
  if (reason !== undefined) throw new BuildError('UNSUPPORTED', reason, { hint: adviceFor(os, host) });
}
