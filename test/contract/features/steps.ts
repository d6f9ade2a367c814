import { existsSync, readlinkSync } from 'node:fs';
import { expect } from 'vitest';
import type { Contract } from '../contract.ts';
import type { FeatureCase } from './feature-case.ts';
import { printing } from './feature-case.ts';

const SECRET = 'not for the log of anybody else';
const LOOPBACK_ALONE = /^(?!.*(eth|tap|ens|eno|wl))/s;

/** A step that fails when another one is in the same cache at the same time. */
function exclusive(sharing: string, { nonce }: Contract): string {
  const work = 'set -e; test ! -e /c/busy; touch /c/busy; busybox usleep 300000; rm /c/busy';
  return `RUN --mount=type=cache,target=/c,id=${nonce},sharing=${sharing} ${work}`;
}

/** Rights of a step in `CapEff` of its status, as a number of bits. */
function rightsOf(log: string): number {
  const [, hex = '0'] = /CapEff:\s*([0-9a-f]+)/.exec(log) ?? [];
  return [...BigInt(`0x${hex}`).toString(2)].filter((bit) => bit === '1').length;
}

const DEVICE = ['/dev/fuse', '/dev/kvm', '/dev/net/tun'].find((path) => existsSync(path)) ?? '/dev/fuse';

/** What a RUN can ask for. */
export const STEP_CASES = {
  'mount-bind': printing(
    ({ base, nonce }) => ({
      files: { 'src/file': `bound ${nonce}` },
      lines: [`FROM ${base}`, 'RUN --mount=type=bind,source=src,target=/m cat /m/file'],
    }),
    /bound/,
  ),
  'mount-cache': printing(
    ({ base, nonce }) => {
      const mount = `--mount=type=cache,target=/c,id=${nonce}`;
      return {
        lines: [
          `FROM ${base}`,
          `RUN ${mount} echo kept > /c/file`,
          `RUN ${mount} cat /c/file`,
          'RUN test -e /c/file || echo not in the image',
        ],
      };
    },
    /kept/,
    /not in the image/,
  ),
  'mount-cache-sharing': {
    ask: (contract) => ({
      lines: [
        `FROM ${contract.base} AS one`,
        exclusive('locked', contract),
        `FROM ${contract.base} AS two`,
        `${exclusive('locked', contract)} && echo second > /two`,
        `FROM ${contract.base}`,
        'COPY --from=one /etc/passwd /one',
        'COPY --from=two /two /two',
        'RUN cat /two',
      ],
    }),
    observe: async ({ subject }, ask) => {
      expect((await subject.build(ask)).log).toContain('second');
    },
  },
  'mount-tmpfs': printing(
    ({ base, nonce }) => ({
      lines: [`FROM ${base}`, `RUN --mount=type=tmpfs,target=/t cat /proc/mounts; echo ${nonce}`],
    }),
    / \/t tmpfs /,
  ),
  'mount-secret': printing(
    ({ base, nonce }) => ({
      lines: [`FROM ${base}`, `RUN --mount=type=secret,id=s,required=true cat /run/secrets/s; echo ${nonce}`],
      request: { secrets: { s: { kind: 'value', value: SECRET } } },
    }),
    SECRET,
  ),
  'mount-secret-env': printing(
    ({ base, nonce }) => ({
      lines: [`FROM ${base}`, `RUN --mount=type=secret,id=s,env=S echo "[$S]" ${nonce}`],
      request: { secrets: { s: { kind: 'value', value: SECRET } } },
    }),
    `[${SECRET}]`,
  ),
  'mount-ssh': printing(
    ({ base, nonce, around }) => ({
      lines: [`FROM ${base}`, `RUN --mount=type=ssh test -S "$SSH_AUTH_SOCK" && echo an agent ${nonce}`],
      request: { ssh: { default: around.agent } },
    }),
    /an agent/,
  ),
  'step-network': printing(
    ({ base, nonce }) => ({ lines: [`FROM ${base}`, `RUN --network=none cat /proc/net/dev; echo ${nonce}`] }),
    /lo:/,
    LOOPBACK_ALONE,
  ),
  'step-insecure': {
    ask: ({ base, nonce }) => ({
      lines: [`FROM ${base}`, `RUN --security=insecure cat /proc/self/status; echo ${nonce}`],
      request: { allow: ['security.insecure'] },
    }),
    observe: async ({ subject, base, nonce }, ask) => {
      const plain = await subject.build({ lines: [`FROM ${base}`, `RUN cat /proc/self/status; echo ${nonce}`] });
      const insecure = await subject.build(ask);
      expect(rightsOf(insecure.log)).toBeGreaterThan(rightsOf(plain.log));
    },
  },
  'step-device': printing(
    ({ base, nonce }) => ({
      lines: [`FROM ${base}`, `RUN --device=${DEVICE} stat -c %F ${DEVICE}; echo ${nonce}`],
      request: { allow: [`device=${DEVICE}`] },
    }),
    /character special file/,
  ),
  'add-hosts': printing(
    ({ base, nonce }) => ({
      lines: [`FROM ${base}`, `RUN cat /etc/hosts; echo ${nonce}`],
      request: { addHosts: [{ name: 'db.internal', address: '10.1.2.3' }] },
    }),
    /10\.1\.2\.3\s+db\.internal/,
  ),
  'network-none': printing(
    ({ base, nonce }) => ({
      lines: [`FROM ${base}`, `RUN cat /proc/net/dev; echo ${nonce}`],
      request: { network: 'none' },
    }),
    /lo:/,
    LOOPBACK_ALONE,
  ),
  'network-host': {
    ask: ({ base, nonce }) => ({
      lines: [`FROM ${base}`, `RUN readlink /proc/self/ns/net; echo ${nonce}`],
      request: { network: 'host', allow: ['network.host'] },
    }),
    observe: async ({ subject }, ask) => {
      expect((await subject.build(ask)).log).toContain(readlinkSync('/proc/self/ns/net'));
    },
  },
  'shm-size': printing(
    ({ base, nonce }) => ({
      lines: [`FROM ${base}`, `RUN busybox df -k /dev/shm; echo ${nonce}`],
      request: { shmSizeBytes: 32 * 1024 * 1024 },
    }),
    /\s32768\s/,
  ),
  ulimits: printing(
    ({ base, nonce }) => ({
      lines: [`FROM ${base}`, `RUN echo soft $(ulimit -Sn) hard $(ulimit -Hn) ${nonce}`],
      request: { ulimits: [{ name: 'nofile', soft: 321, hard: 654 }] },
    }),
    /soft 321 hard 654/,
  ),
} as const satisfies Readonly<Record<string, FeatureCase>>;
