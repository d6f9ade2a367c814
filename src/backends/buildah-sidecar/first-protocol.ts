import { randomUUID } from 'node:crypto';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  BuildError,
  type Digest,
  formatReference,
  isDigest,
  parsePlatform,
  parseReference,
  platformOfHost,
  type RunContext,
  throwIfCancelled,
} from '../../core/index.ts';
import { type Finished, fromErrorMessage, type BuildEvent as WireEvent } from '../../rpc/index.ts';
import type { BuildResult, LoadedRequest } from '../types.ts';
import { type SidecarConfiguration, toGuestPath } from './configuration.ts';
import type { Connection } from './connection.ts';
import { toOldFields } from './to-build-request.ts';

/** What messages of the first protocol are about: everything that the daemon does. */
const VERTEX = 'daemon';

/**
 * Builds with a daemon of the first protocol, which reads context and Dockerfile itself: only where it sees the files of this
 * host. It tells no more of the image than its id, which then stands for the digest too.
 *
 * @throws BuildError `UNSUPPORTED` where the daemon cannot see the context, what the build failed with, `CANCELLED`.
 */
export async function buildByFirstProtocol(
  { connection, configuration }: { readonly connection: Connection; readonly configuration: SidecarConfiguration },
  loaded: LoadedRequest,
  context: RunContext,
): Promise<BuildResult> {
  const startedMs = Date.now();
  const requestId = randomUUID();
  const places = await placeFiles({ connection, configuration }, loaded, requestId);
  try {
    const { request } = loaded;
    const message = {
      ...toOldFields(requestId, request),
      contextDir: places.context,
      dockerfilePaths: [places.dockerfile],
    };
    announce(context);
    const finished = await follow(connection, message, context);
    return toResult(finished, { loaded, durationMs: Date.now() - startedMs }, context);
  } finally {
    await places.remove();
  }
}

interface Places {
  readonly context: string;
  readonly dockerfile: string;
  remove(): Promise<void>;
}

/** The Dockerfile is written anew beside the mount's root or ours: what is built is what was read, never what a path holds now. */
async function placeFiles(
  { connection, configuration }: { readonly connection: Connection; readonly configuration: SidecarConfiguration },
  { context, dockerfile }: LoadedRequest,
  requestId: string,
): Promise<Places> {
  const { contextMount, dataDir } = configuration;
  const root = contextMount?.host ?? join(dataDir, 'buildd');
  const home = join(root, `.zlayer-build-${requestId}`);
  const see = (path: string): string | undefined =>
    contextMount === undefined ? (connection.isOwn ? path : undefined) : toGuestPath(contextMount, path);
  const directory = context.directory ?? join(home, 'empty');
  const seen = see(directory);
  const file = see(join(home, 'Dockerfile'));
  if (seen === undefined || file === undefined) throw notSeen(directory);
  await mkdir(join(home, 'empty'), { recursive: true, mode: 0o755 });
  await writeFile(join(home, 'Dockerfile'), dockerfile.text);
  return { context: seen, dockerfile: file, remove: () => rm(home, { recursive: true, force: true }) };
}

function notSeen(directory: string): BuildError {
  return new BuildError(
    'UNSUPPORTED',
    `The build daemon speaks the first protocol alone: it cannot be sent files, and does not see ${directory}.`,
    {
      hint: 'Share a directory with its host and name it with ZLAYER_BUILDD_CONTEXT_MOUNT=HOST:GUEST, or use a daemon started by `zlayer buildd`.',
    },
  );
}

function announce({ emit }: RunContext): void {
  const time = Date.now();
  emit({ kind: 'build-planned', time, vertices: [{ id: VERTEX, name: '[daemon] build', inputs: [], number: 1 }] });
  emit({ kind: 'vertex-started', time, vertex: VERTEX });
}

async function follow(
  { client }: Connection,
  message: Parameters<Connection['client']['build']>[0],
  context: RunContext,
): Promise<Finished> {
  const startedMs = Date.now();
  const durationMs = (): number => Date.now() - startedMs;
  const requestId = message.requestId ?? '';
  const cancel = (): void => void client.cancel({ requestId }, { timeoutMs: 5000 }).catch(() => undefined);
  context.signal.addEventListener('abort', cancel, { once: true });
  try {
    for await (const { event } of client.build(message, { signal: context.signal })) {
      const finished = receive(event, context);
      if (finished === undefined) continue;
      const verdict = { kind: 'run', reason: 'The daemon tells nothing of its cache.' } as const;
      const time = Date.now();
      context.emit({ kind: 'vertex-completed', time, vertex: VERTEX, durationMs: durationMs(), verdict });
      return finished;
    }
    throw new BuildError('BACKEND_UNAVAILABLE', 'The build daemon ended the connection before the build ended.');
  } catch (thrown) {
    throwIfCancelled(context.signal);
    if (thrown instanceof BuildError) {
      const { code, message: text } = thrown;
      const time = Date.now();
      context.emit({ kind: 'vertex-failed', time, vertex: VERTEX, durationMs: durationMs(), code, message: text });
    }
    throw thrown;
  } finally {
    context.signal.removeEventListener('abort', cancel);
  }
}

function receive(event: WireEvent['event'], { emit }: RunContext): Finished | undefined {
  const time = Date.now();
  const log = (text: string, stream: 'stdout' | 'stderr' = 'stdout'): void =>
    emit({ kind: 'log', time, vertex: VERTEX, stream, text: `${text}\n` });
  switch (event.case) {
    case 'log':
      log(event.value.line, event.value.isStderr ? 'stderr' : 'stdout');
      return undefined;
    case 'instructionStarted':
      log(event.value.instruction);
      return undefined;
    case 'warning':
      emit({ kind: 'warning', time, code: 'DAEMON_WARNING', message: event.value.message });
      return undefined;
    case 'finished':
      return event.value;
    case 'error':
      throw fromErrorMessage(event.value);
    default:
      return undefined;
  }
}

interface Told {
  readonly loaded: LoadedRequest;
  readonly durationMs: number;
}

function toResult(finished: Finished, { loaded, durationMs }: Told, { emit }: RunContext): BuildResult {
  const { request } = loaded;
  const message = 'The build daemon tells only the id of the image: its digest, layers and config are not known here.';
  emit({ kind: 'warning', time: Date.now(), code: 'DAEMON_RESULT_PARTIAL', message });
  const host = platformOfHost(process.platform, process.arch);
  const platform = request.platform === undefined ? host : parsePlatform(request.platform.split(',')[0]!, host);
  const id = toDigest(finished.manifestRef) ?? toDigest(finished.imageId);
  if (id === undefined) throw new BuildError('BACKEND_FAILED', 'The build daemon built, but names no image.');
  return {
    digest: id,
    configDigest: toDigest(finished.imageId) ?? id,
    mediaType: '',
    manifestSizeBytes: 0,
    platform,
    config: { architecture: platform.architecture, os: platform.os, rootfs: { type: 'layers', diff_ids: [] } },
    layers: [],
    sizeBytes: 0,
    references: (request.tags ?? []).map((tag) => formatReference(parseReference(tag))),
    steps: [],
    durationMs,
    warnings: [{ code: 'DAEMON_RESULT_PARTIAL', message }],
  };
}

/** buildah tells ids without their algorithm. */
function toDigest(text: string): Digest | undefined {
  const digest = /(?:sha256:)?([0-9a-f]{64})$/.exec(text)?.[1];
  const full = `sha256:${digest}`;
  return isDigest(full) ? full : undefined;
}
