import type { OptionTable } from '../options/option-table.ts';

/** The options of `zlayer buildd`. Those of the first daemon of this protocol keep their names. */
export const BUILDD_OPTIONS = {
  bind: { kind: 'text', placeholder: 'HOST:PORT', defaultText: '127.0.0.1:0', help: 'Listen on this address' },
  'tls-dir': {
    kind: 'text',
    placeholder: 'DIR',
    defaultText: 'buildd in the data directory',
    complete: 'directory',
    help: 'Use the certificates of this directory, and make what is missing',
  },
  'tls-ca': {
    kind: 'text',
    placeholder: 'FILE',
    complete: 'file',
    help: 'Trust clients with a certificate of this CA',
  },
  'tls-cert': { kind: 'text', placeholder: 'FILE', complete: 'file', help: "Use this server's certificate" },
  'tls-key': { kind: 'text', placeholder: 'FILE', complete: 'file', help: 'Use the private key of --tls-cert' },
  'tls-name': {
    kind: 'list',
    placeholder: 'NAME',
    help: 'Put this host name or address into the certificate that is made',
  },
  backend: {
    kind: 'text',
    placeholder: 'KIND',
    defaultText: 'native',
    choices: ['native', 'buildah-cli'],
    help: 'Build with this backend',
  },
  'max-concurrent': {
    kind: 'count',
    placeholder: 'N',
    defaultText: 'number of cores',
    help: 'Run so many builds at once; the others wait in a queue',
  },
  'idle-secs': {
    kind: 'text',
    placeholder: 'SECONDS',
    defaultText: '30',
    help: 'End after so long without any work; 0 is never',
  },
  'detach-secs': {
    kind: 'text',
    placeholder: 'SECONDS',
    defaultText: '300',
    help: 'Let a build go on for so long when its client is gone, and keep its end for as long',
  },
  'grace-secs': {
    kind: 'text',
    placeholder: 'SECONDS',
    defaultText: '10',
    help: 'Let running work go on for so long when the daemon is to end',
  },
  'allow-context': {
    kind: 'list',
    placeholder: 'DIR',
    complete: 'directory',
    help: 'Let clients name build contexts, secret files, volumes and sockets below this directory of this host',
  },
  allow: {
    kind: 'list',
    placeholder: 'RIGHT',
    help: 'Let clients ask for network.host, security.insecure, or device=NAME',
  },
  'allow-secret-env': {
    kind: 'list',
    placeholder: 'NAME',
    help: "Let clients use this variable of the daemon's as a secret",
  },
  'allow-sign-ins': {
    kind: 'boolean',
    help: 'Let clients use the sign-ins to registries that this host keeps, where they send none',
  },
  'allow-ssh-agent': { kind: 'boolean', help: "Let clients use the daemon's own SSH agent" },
  'context-space': {
    kind: 'text',
    placeholder: 'SIZE',
    defaultText: '32g',
    help: 'Keep at most this much of uploaded build contexts',
  },
  'storage-root': {
    kind: 'text',
    placeholder: 'DIR',
    defaultText: 'the data directory',
    complete: 'directory',
    help: 'Keep images and build contexts in this directory; with buildah-cli, the images of buildah',
  },
  'storage-runroot': {
    kind: 'text',
    placeholder: 'DIR',
    complete: 'directory',
    help: "Keep buildah's running state in this directory",
  },
  'storage-driver': { kind: 'text', placeholder: 'NAME', help: 'Use this storage driver of buildah' },
  'log-level': {
    kind: 'text',
    placeholder: 'LEVEL',
    defaultText: 'info',
    choices: ['debug', 'info', 'warn', 'error'],
    help: 'Log what is at least this important',
  },
  version: { kind: 'boolean', help: 'Show the version as JSON' },
} as const satisfies OptionTable;
