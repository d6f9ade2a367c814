import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, fstatSync, ftruncateSync, mkdirSync, openSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { BuildError, type RunContext, throwIfCancelled } from '../../core/index.ts';
import { ensureTlsDirectory, parseAddress, withFileLock } from '../../rpc/index.ts';
import type { Env } from '../selection/host-facts.ts';
import type { SidecarConfiguration } from './configuration.ts';
import { type RunningDaemon, readRunningDaemon, removeRunningDaemon, writeRunningDaemon } from './daemon-file.ts';
import { type DaemonProgram, findDaemon } from './find-daemon.ts';

/** How a daemon is started. */
export interface StartDeps {
  readonly env: Env;
  readonly configuration: SidecarConfiguration;
  /** Until the daemon says where it listens. */
  readonly handshakeMs?: number;
}

const HANDSHAKE_MS = 15_000;
const IDLE_SECONDS = 30;
/** A log that is larger is begun anew. */
const MAX_LOG_BYTES = 10 * 1024 * 1024;
const TAIL_LINES = 12;

/** Where the files of a user's daemon lie. */
export function daemonPaths({ dataDir }: SidecarConfiguration) {
  const directory = join(dataDir, 'buildd');
  return {
    directory,
    file: join(directory, 'daemon.json'),
    lock: join(directory, '.start-lock'),
    log: join(directory, 'daemon.log'),
    output: join(directory, 'daemon.out'),
  };
}

/**
 * The daemon of this user: the one that runs, else a new one, which lives on for whoever comes next. Several processes at
 * once start one.
 *
 * @throws BuildError `BACKEND_UNAVAILABLE` when there is none and none can be started, `USAGE`, `CANCELLED`.
 */
export async function startDaemon(
  deps: StartDeps,
  { not }: { readonly not?: RunningDaemon | undefined },
  context: RunContext,
): Promise<RunningDaemon> {
  const { configuration } = deps;
  const paths = daemonPaths(configuration);
  const isOther = (daemon: RunningDaemon | undefined): daemon is RunningDaemon =>
    daemon !== undefined && (daemon.pid !== not?.pid || daemon.start !== not.start);
  const running = readRunningDaemon(paths.file);
  if (isOther(running)) return running;
  const program = findDaemon(configuration, deps.env);
  await ensureTlsDirectory(configuration.tlsDirectory);
  mkdirSync(paths.directory, { recursive: true, mode: 0o700 });
  const options = { waitMs: 2 * (deps.handshakeMs ?? HANDSHAKE_MS), signal: context.signal };
  return withFileLock(
    paths.lock,
    async () => {
      const since = readRunningDaemon(paths.file);
      if (isOther(since)) return since;
      removeRunningDaemon(paths.file);
      return spawnDaemon(deps, program, context);
    },
    options,
  );
}

async function spawnDaemon(deps: StartDeps, program: DaemonProgram, context: RunContext): Promise<RunningDaemon> {
  const { configuration } = deps;
  const paths = daemonPaths(configuration);
  const log = openSync(paths.log, 'a', 0o600);
  if (fstatSync(log).size > MAX_LOG_BYTES) ftruncateSync(log, 0);
  rmSync(paths.output, { force: true });
  const output = openSync(paths.output, 'wx', 0o600);
  try {
    const child = spawn(program.command, [...program.args, ...optionsOf(configuration, program)], {
      // A session of its own: what ends this process, such as Ctrl-C, does not end the daemon of all.
      detached: true,
      // Files, not pipes: nobody has to read what it prints, and it outlives this process.
      stdio: ['ignore', output, log],
      cwd: paths.directory,
      env: environmentOf(deps),
    });
    const failed = once(child, 'error').then(([error]) => error as Error);
    let end: string | undefined;
    void failed.then((error) => {
      end = error.message;
    });
    child.once('exit', (code, signal) => {
      end ??= signal === null ? `it ended with status ${code}` : `it was ended by ${signal}`;
    });
    const address = await waitForAddress(paths.output, { deps, endOf: () => end }, context).catch((error: unknown) => {
      if (child.exitCode === null && child.pid !== undefined) child.kill('SIGKILL');
      throw error instanceof BuildError
        ? error
        : cannotStart({ program, why: (error as Error).message, log: paths.log });
    });
    child.unref();
    return writeRunningDaemon(paths.file, { address, pid: child.pid! });
  } finally {
    closeSync(output);
    closeSync(log);
  }
}

interface Waiting {
  readonly deps: StartDeps;
  readonly endOf: () => string | undefined;
}

/** Reads the first line of the daemon: `LISTENING host:port`. */
async function waitForAddress(output: string, { deps, endOf }: Waiting, context: RunContext): Promise<string> {
  const handshakeMs = deps.handshakeMs ?? HANDSHAKE_MS;
  const deadline = Date.now() + handshakeMs;
  for (;;) {
    throwIfCancelled(context.signal);
    const end = endOf();
    const [line, rest] = readFileSync(output, 'utf8').split('\n', 2);
    if (rest !== undefined) {
      const address = /^LISTENING (\S+)$/.exec(line?.trimEnd() ?? '')?.[1];
      if (address === undefined || parseAddress(address) === undefined) {
        throw new Error(`its first line is "${line?.slice(0, 200)}", not LISTENING host:port`);
      }
      return address;
    }
    if (end !== undefined) throw new Error(end);
    if (Date.now() >= deadline) throw new Error(`it did not say where it listens for ${handshakeMs / 1000} seconds`);
    await delay(15);
  }
}

/** The options that every daemon of the protocol knows, and for ours what its only user may do anyway. */
function optionsOf({ tlsDirectory, dataDir }: SidecarConfiguration, { isOurs }: DaemonProgram): readonly string[] {
  const common = ['--bind', '127.0.0.1:0', '--idle-secs', String(IDLE_SECONDS)];
  if (isOurs) {
    return [
      ...common,
      // By the directory it knows which certificates were revoked, and renews its own.
      ...['--tls-dir', tlsDirectory],
      ...['--storage-root', dataDir],
      ...['network.host', 'security.insecure', 'device'].flatMap((name) => ['--allow', name]),
      '--allow-sign-ins',
    ];
  }
  const shared = join(tlsDirectory, 'cert.pem');
  const own = join(tlsDirectory, 'server', 'cert.pem');
  const cert = isThere(own) ? own : shared;
  const key = cert === own ? join(tlsDirectory, 'server', 'key.pem') : join(tlsDirectory, 'key.pem');
  const [graph, run] = ['graph', 'run'].map((name) => join(dataDir, 'buildd', 'storage', name)) as [string, string];
  for (const directory of [graph, run]) mkdirSync(directory, { recursive: true, mode: 0o700 });
  return [
    ...common,
    ...['--tls-ca', join(tlsDirectory, 'ca.pem'), '--tls-cert', cert, '--tls-key', key],
    ...['--storage-root', graph, '--storage-runroot', run, '--storage-driver', 'vfs'],
  ];
}

function isThere(path: string): boolean {
  try {
    closeSync(openSync(path, 'r'));
    return true;
  } catch {
    return false;
  }
}

/** The daemon must not look for a daemon itself. */
function environmentOf({ env, configuration }: StartDeps): NodeJS.ProcessEnv {
  const { ZLAYER_BACKEND: _, ZLAYER_BUILDD_ADDR: __, ZLAYER_BUILDD_BIN: ___, ...kept } = env;
  return { ...kept, ZLAYER_DATA_DIR: configuration.dataDir };
}

interface StartFailure {
  readonly program: DaemonProgram;
  readonly why: string;
  readonly log: string;
}

function cannotStart({ program, why, log }: StartFailure): BuildError {
  const command = [program.command, ...program.args].join(' ');
  const tail = tailOf(log);
  return new BuildError('BACKEND_UNAVAILABLE', `The build daemon could not be started (${command}): ${why}.`, {
    hint: `Its last words are in ${log}${tail === '' ? '' : `:\n${tail}`}`,
  });
}

function tailOf(log: string): string {
  try {
    return readFileSync(log, 'utf8').trimEnd().split('\n').slice(-TAIL_LINES).join('\n');
  } catch {
    return '';
  }
}
