import { randomUUID } from 'node:crypto';
import { create, toBinary } from '@bufbuild/protobuf';
import { BuildError } from '../../core/index.ts';
import { BuildEventSchema, type BuildRequest as WireRequest } from '../../rpc/index.ts';
import type { Activity } from '../activity.ts';
import type { ClientContexts } from '../contexts/client-contexts.ts';
import type { DaemonLog } from '../daemon-log.ts';
import { relieveMemory } from '../relieve-memory.ts';
import { type ClientQuestions, createClientQuestions } from '../sessions/ask-client.ts';
import { type EventLog, openEventLog } from './event-log.ts';
import { type RunBuildDeps, runBuild } from './run-build.ts';

/** A build that was started, and is kept for a time after its end. */
export interface StartedBuild {
  readonly id: string;
  readonly log: EventLog;
  readonly questions: ClientQuestions;
  /** Holds the caches that it leaves for its client. */
  readonly cacheDirectory: string;
  /** Cancels it; false when it has ended. */
  cancel(reason: BuildError): boolean;
  /**
   * A client follows. Its function tells that it has gone, and whether it got the last event. A build that nobody follows
   * is cancelled after a time.
   */
  follow(): (gotAll: boolean) => void;
  /** Resolves when everything of it has ended. */
  readonly ended: Promise<void>;
}

/** All builds of a daemon. A build belongs to the client that started it; to others it is not there. */
export interface BuildRegistry {
  /** @throws BuildError `USAGE` when the client has a build with this id. */
  start(input: StartInput): StartedBuild;
  /** @throws BuildError `BUILD_NOT_FOUND` */
  get(identity: string, id: string): StartedBuild;
  cancelAll(reason: BuildError): void;
  /** Resolves when no build runs or waits. */
  whenEnded(): Promise<void>;
  /** Removes what is kept of builds that have ended. */
  close(): void;
}

export interface StartInput {
  readonly identity: string;
  readonly message: WireRequest;
  readonly contexts: ClientContexts;
  /** Whether the client can be asked for secrets and agents. */
  readonly canAnswer: boolean;
}

export interface BuildRegistryDeps extends Omit<RunBuildDeps, 'contexts' | 'answers' | 'cacheDirectory'> {
  readonly activity: Activity;
  readonly log: DaemonLog;
  /** For the logs of events: a directory that does not outlive the daemon. */
  readonly directory: string;
  /** How long a build goes on without a client, and how long its end is kept for one. */
  readonly detachMs: number;
}

const MAX_ID_LENGTH = 128;
/** Of one client, that run or wait. */
const MAX_BUILDS = 256;
/** Of one client, kept after their end: each may have a log of its own. */
const MAX_ENDED = 64;
/** Of the names that a client chooses, so much is logged. */
const MAX_LOGGED_TAGS = 8;
const MAX_LOGGED_CHARS = 200;
/** A build whose last event was delivered is kept this long, for a client that lost the very end. */
const DELIVERED_MS = 30_000;

export function createBuildRegistry(deps: BuildRegistryDeps): BuildRegistry {
  const builds = new Map<string, KnownBuild>();
  const forgets = new Set<() => void>();
  let serial = 0;
  const start = (input: StartInput): StartedBuild => {
    const id = readId(input.message.requestId);
    const key = `${input.identity}/${id}`;
    if (builds.has(key)) {
      throw new BuildError('USAGE', `The field request_id of the build request has "${id}", which another build has.`, {
        hint: 'Leave it empty, or attach to that build.',
      });
    }
    makeRoom([...builds.values()].filter(({ identity }) => identity === input.identity));
    const directory = `${deps.directory}/${++serial}`;
    const eventLog = openEventLog({ directory });
    const forget = (): void => {
      builds.delete(key);
      forgets.delete(forget);
      eventLog.close();
    };
    forgets.add(forget);
    const build = startBuild(deps, { ...input, id, eventLog, forget, cacheDirectory: `${directory}/caches` });
    const known: KnownBuild = { identity: input.identity, build, forget, isEnded: false };
    builds.set(key, known);
    void build.ended.then(() => {
      known.isEnded = true;
    });
    return build;
  };
  return {
    start,
    get: (identity, id) => {
      const found = builds.get(`${identity}/${id}`);
      if (found !== undefined) return found.build;
      throw new BuildError('BUILD_NOT_FOUND', `This client has no build "${id}" here.`, {
        hint: 'It may have ended some time ago, or the daemon was started again. Start the build anew.',
      });
    },
    cancelAll: (reason) => {
      // From the last: nobody is told of a place that is about to go.
      for (const { build } of [...builds.values()].reverse()) build.cancel(reason);
    },
    whenEnded: async () => {
      await Promise.all([...builds.values()].map(({ build }) => build.ended));
    },
    close: () => {
      for (const forget of [...forgets]) forget();
    },
  };
}

interface KnownBuild {
  readonly identity: string;
  readonly build: StartedBuild;
  readonly forget: () => void;
  isEnded: boolean;
}

/** Bounds what one client keeps here: of its builds that have ended, those that ended first are forgotten. */
function makeRoom(own: readonly KnownBuild[]): void {
  const ended = own.filter(({ isEnded }) => isEnded);
  if (own.length - ended.length >= MAX_BUILDS) {
    throw new BuildError('DAEMON_BUSY', `This client has ${MAX_BUILDS} builds on the daemon already.`, {
      hint: 'Start the build when some of them have ended.',
    });
  }
  for (const { forget } of ended.slice(0, Math.max(0, ended.length + 1 - MAX_ENDED))) forget();
}

function readId(text: string): string {
  if (text === '') return randomUUID();
  if (text.length <= MAX_ID_LENGTH && /^[\x21-\x7e]+$/.test(text)) return text;
  throw new BuildError(
    'USAGE',
    'The field request_id of the build request is longer than 128 characters, or has others than printable ones.',
  );
}

interface Start extends StartInput {
  readonly id: string;
  readonly eventLog: EventLog;
  readonly forget: () => void;
  readonly cacheDirectory: string;
}

function startBuild(deps: BuildRegistryDeps, input: Start): StartedBuild {
  const { id, eventLog, forget, message, identity, cacheDirectory } = input;
  const { log, detachMs } = deps;
  const controller = new AbortController();
  const questions = createClientQuestions();
  const endWork = deps.activity.begin('build');
  const endResult = deps.activity.begin('result');
  const startedMs = Date.now();
  let followers = 0;
  let isDelivered = false;
  let isEnded = false;
  let timer: NodeJS.Timeout | undefined;

  const cancel = (reason: BuildError): boolean => {
    if (isEnded) return false;
    controller.abort(reason);
    return true;
  };
  const wait = (ms: number, then: () => void): void => {
    clearTimeout(timer);
    timer = setTimeout(then, ms);
    timer.unref();
  };
  /** Decides what happens while nobody follows. */
  const rest = (): void => {
    clearTimeout(timer);
    if (followers > 0) return;
    if (!isEnded) wait(detachMs, () => cancel(abandoned(detachMs)));
    else if (isDelivered) {
      endResult();
      wait(DELIVERED_MS, forget);
    } else
      wait(detachMs, () => {
        endResult();
        forget();
      });
  };
  const run = async (): Promise<void> => {
    const error = await runBuild(
      { ...deps, contexts: input.contexts, cacheDirectory, answers: input.canAnswer ? questions : undefined },
      {
        id,
        message,
        append: (event) => eventLog.append(toBinary(BuildEventSchema, create(BuildEventSchema, { event }))),
      },
      controller.signal,
    );
    isEnded = true;
    eventLog.end();
    questions.close(error ?? new BuildError('CANCELLED', 'The build has ended.'));
    log.info(error === undefined ? 'build finished' : 'build failed', {
      build: id,
      client: identity.slice(0, 12),
      durationMs: Date.now() - startedMs,
      ...(error === undefined ? {} : { code: error.code }),
    });
    endWork();
    rest();
    relieveMemory();
  };
  log.info('build started', { build: id, client: identity.slice(0, 12), tags: loggedTags(message) });
  controller.signal.addEventListener('abort', () => questions.close(controller.signal.reason as BuildError), {
    once: true,
  });
  rest();
  return {
    id,
    log: eventLog,
    questions,
    cacheDirectory,
    cancel,
    follow: () => {
      followers += 1;
      clearTimeout(timer);
      return (gotAll) => {
        followers -= 1;
        isDelivered ||= gotAll;
        rest();
      };
    },
    ended: run(),
  };
}

function loggedTags({ tags }: WireRequest): readonly string[] {
  return tags.slice(0, MAX_LOGGED_TAGS).map((tag) => tag.slice(0, MAX_LOGGED_CHARS));
}

function abandoned(detachMs: number): BuildError {
  return new BuildError(
    'CANCELLED',
    `The build was cancelled: its client was gone for ${Math.round(detachMs / 1000)} seconds.`,
  );
}
