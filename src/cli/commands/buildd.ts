import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import type { DaemonOptions } from '../../buildd/index.ts';
import { type CommandContext, defineCommand } from '../command.ts';
import { writeLogLine } from '../daemon/write-log-line.ts';
import type { OptionValues } from '../options/option-table.ts';
import { parseSize, usage } from '../options/values.ts';
import { formatJson } from '../report/format-table.ts';
import { VERSION } from '../version.ts';
import { BUILDD_OPTIONS } from './buildd-options.ts';

type Values = OptionValues<typeof BUILDD_OPTIONS>;

/** Certificates that end soon are looked for this often. */
const RENEW_MS = 12 * 3_600_000;

/** `zlayer buildd` */
export const builddCommand = defineCommand({
  name: 'buildd',
  summary: 'Build for other processes and other machines: the build daemon',
  details: [
    'Serves the build protocol over mutual TLS 1.3. The first line on standard output is `LISTENING HOST:PORT`; the log goes to standard error, a JSON object a line.',
    'Clients upload their build contexts. They can name nothing of this host but what --allow-context, --allow-secret-env, --allow-ssh-agent and --allow-sign-ins let them.',
    'All clients of a daemon share its images and its build cache, and whoever may build can run programs here as the builder does: give certificates to those whom you trust with that.',
  ],
  positionals: { usage: '', min: 0, max: 0 },
  options: BUILDD_OPTIONS,
  examples: [
    {
      text: 'A builder for other machines',
      line: 'zlayer buildd --bind 0.0.0.0:8443 --tls-name builder.lan --idle-secs 0',
    },
    { text: 'A certificate for one of them', line: 'zlayer buildd tls create laptop' },
  ],
  run: async (context, { values }) => {
    if (values.version) context.stdout.write(formatJson(versionFacts()));
    else await runDaemon(context, values);
    return undefined;
  },
});

function versionFacts(): Readonly<Record<string, string>> {
  return { sidecar_version: VERSION, buildah_version: '', node_version: process.versions.node };
}

async function runDaemon(context: CommandContext, values: Values): Promise<void> {
  const { env } = context;
  const { createDaemonLog, defaultTlsDirectory, openDaemonTls, startDaemon } = await import('../../buildd/index.ts');
  const level = (values['log-level'] ?? 'info') as 'info';
  const log = createDaemonLog(context.stderr.isTerminal ? (line) => context.stderr.write(line) : writeLogLine, level);
  const limits = readLimits(values);
  const tls = await openDaemonTls({
    ca: values['tls-ca'],
    cert: values['tls-cert'],
    key: values['tls-key'],
    directory: values['tls-dir'] ?? defaultTlsDirectory(env),
    serverNames: values['tls-name'],
  });
  const storage = storageOf(env, values);
  if (storage.backend === 'native' && (values['storage-driver'] ?? values['storage-runroot']) !== undefined) {
    log.warn('--storage-driver and --storage-runroot are about buildah, and have no meaning for native');
  }
  const daemon = await startDaemon({
    ...limits,
    version: VERSION,
    address: values.bind ?? '127.0.0.1:0',
    tls: tls.material,
    authorize: tls.authorize,
    ...storage,
    allow: {
      contexts: values['allow-context'],
      entitlements: values.allow.flatMap((text) => text.split(',')),
      secretEnvs: values['allow-secret-env'],
      sshAgent: values['allow-ssh-agent'],
      signIns: values['allow-sign-ins'],
    },
    log,
  });
  context.stdout.write(`LISTENING ${daemon.address}\n`);
  const stop = (): void => void daemon.stop('signal');
  context.signal.addEventListener('abort', stop, { once: true });
  if (context.signal.aborted) stop();
  const renewal = setInterval(() => {
    tls
      .renew()
      .then(daemon.updateTls, (error: Error) => log.error('certificates cannot be renewed', { why: error.message }));
  }, RENEW_MS);
  await daemon.ended;
  clearInterval(renewal);
}

function readLimits(values: Values) {
  return {
    maxConcurrent: values['max-concurrent'] ?? Math.max(2, availableParallelism()),
    idleMs: seconds(values['idle-secs'], { option: '--idle-secs', byDefault: 30 }),
    detachMs: seconds(values['detach-secs'], { option: '--detach-secs', byDefault: 300 }),
    graceMs: seconds(values['grace-secs'], { option: '--grace-secs', byDefault: 10 }),
    contextBytes: parseSize(values['context-space'] ?? '32g', '--context-space'),
  };
}

function seconds(
  text: string | undefined,
  { option, byDefault }: { readonly option: string; readonly byDefault: number },
): number {
  if (text === undefined) return byDefault * 1000;
  if (/^\d{1,7}(\.\d{1,3})?$/.test(text)) return Number(text) * 1000;
  throw usage(`${option} takes a number of seconds, not "${text}".`);
}

/** Where a backend keeps its images: native in the storage root, buildah in a storage of its own. */
function storageOf(env: CommandContext['env'], values: Values): Pick<DaemonOptions, 'storageRoot' | 'env' | 'backend'> {
  const { 'storage-root': root, 'storage-runroot': runRoot, 'storage-driver': driver } = values;
  if (values.backend !== 'buildah-cli') return { backend: 'native', storageRoot: root, env };
  const backend = 'buildah-cli' as const;
  if (root === undefined) {
    if (runRoot === undefined && driver === undefined) return { backend, env };
    throw usage('--storage-runroot and --storage-driver need --storage-root.');
  }
  const storage = `${driver ?? 'overlay'}@${resolve(root)}+${resolve(runRoot ?? `${root}-run`)}`;
  return { backend, env: { ...env, ZLAYER_BUILDAH_STORAGE: storage } };
}
