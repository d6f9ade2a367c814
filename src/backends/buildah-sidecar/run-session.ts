import { setTimeout as delay } from 'node:timers/promises';
import { BuildError, type BuildEvent, isBuildError, type RunContext, throwIfCancelled } from '../../core/index.ts';
import {
  type Finished,
  fromErrorMessage,
  type MessageInput,
  type SessionEvent,
  type SessionRequestSchema,
  type BuildEvent as WireEvent,
} from '../../rpc/index.ts';
import type { LoadedRequest } from '../types.ts';
import { type Answers, createAnswers } from './answers.ts';
import { type Connection, type Connector, isConnectionLost } from './connection.ts';
import { createOutbox, type Outbox } from './outbox.ts';
import { createWaiting, type Patience, type Waiting } from './patience.ts';
import { createEventReader, type EventReader, placeText } from './read-events.ts';
import type { WireRequest } from './to-build-request.ts';

type Request = MessageInput<typeof SessionRequestSchema>;

export interface SessionDeps {
  readonly connector: Connector;
  readonly patience?: Patience | undefined;
}

export interface SessionInput {
  readonly loaded: LoadedRequest;
  readonly message: WireRequest & { readonly requestId: string };
}

/** How long a cancelled build may take to end on the daemon before it is left to itself. */
const CANCEL_MS = 10_000;
const LAST_EVENT_MS = 1000;
/** A start that was just sent is on its way for less. */
const START_MS = 50;

/**
 * Runs a build on a daemon, and answers what it asks. A build that the daemon has accepted is never started again: after a
 * lost connection it is attached to, from the event after the last one that came.
 *
 * @throws BuildError what the build failed with; `BACKEND_UNAVAILABLE` when the daemon is gone for too long; `CANCELLED`.
 */
export async function runSession(deps: SessionDeps, input: SessionInput, context: RunContext): Promise<Finished> {
  const session: Session = {
    deps,
    input,
    answers: createAnswers(input.loaded.request),
    reader: createEventReader(input.loaded.dockerfile),
    waiting: createWaiting('the build goes on there and is followed again', deps.patience),
    state: { last: 0n, isAccepted: false, mayRun: false, isCancelling: false, isOver: false },
  };
  // The daemon is told first; the calls themselves are broken off when it does not answer.
  const calls = new AbortController();
  const onAbort = (): void => void cancelBuild(session, calls);
  context.signal.addEventListener('abort', onAbort, { once: true });
  try {
    throwIfCancelled(context.signal);
    return await follow(session, calls.signal, context);
  } catch (error) {
    throwIfCancelled(context.signal);
    throw session.answers.failure !== undefined && isBuildError(error, 'SECRET_MISSING')
      ? session.answers.failure
      : placeText(error, input.loaded.dockerfile);
  } finally {
    context.signal.removeEventListener('abort', onAbort);
    session.answers.reset();
  }
}

interface Session {
  readonly deps: SessionDeps;
  readonly input: SessionInput;
  readonly answers: Answers;
  readonly reader: EventReader;
  readonly waiting: Waiting;
  readonly state: SessionState;
}

interface SessionState {
  /** Number of the last event. */
  last: bigint;
  isAccepted: boolean;
  /** A start was sent, and whether it arrived is not known. */
  mayRun: boolean;
  isCancelling: boolean;
  /** The daemon told how it ended. */
  isOver: boolean;
  connection?: Connection;
}

async function follow(session: Session, calls: AbortSignal, context: RunContext): Promise<Finished> {
  for (;;) {
    try {
      return await followOnce(session, calls, context);
    } catch (error) {
      const again = await reasonToGoOn(session, error, context);
      if (!again) throw error;
    }
  }
}

/** Whether to try again after an error; waits before it. */
async function reasonToGoOn({ deps, state, waiting }: Session, error: unknown, context: RunContext): Promise<boolean> {
  if (state.isOver || context.signal.aborted) return false;
  if (isBuildError(error, 'BUILD_NOT_FOUND') && !state.isAccepted) {
    // The start was lost with its connection.
    state.mayRun = false;
    return true;
  }
  if (isBuildError(error, 'EVENTS_LOST')) {
    const first = /those from (\d+)/.exec(error.message)?.[1];
    if (first === undefined) return false;
    state.last = BigInt(first) - 1n;
    const message = 'The connection was lost for so long that the daemon no longer has all that the build said.';
    context.emit({ kind: 'warning', time: Date.now(), code: 'DAEMON_EVENTS_LOST', message });
    return true;
  }
  // There is no daemon: nothing was started, and nothing was lost.
  if (state.connection === undefined || !isConnectionLost(error)) return false;
  if (isBuildError(error, 'DAEMON_STOPPING')) {
    // It refuses a start; a build that it has goes on to its end.
    if (!state.isAccepted) deps.connector.leave(state.connection);
    state.mayRun = state.isAccepted;
  }
  await waiting.pause(error, context);
  return true;
}

async function followOnce(session: Session, calls: AbortSignal, context: RunContext): Promise<Finished> {
  const { deps, state, input, answers } = session;
  const connection = await deps.connector.connect(context);
  state.connection = connection;
  const outbox = createOutbox<Request>();
  outbox.put(firstMessage(state, input));
  state.mayRun = true;
  answers.reset();
  let end: End | undefined;
  try {
    // To the very end, so that the daemon knows that its last event has come.
    for await (const event of connection.client.session(outbox, { signal: calls })) {
      session.waiting.contact();
      end ??= receive(session, { event, outbox }, context);
    }
  } catch (error) {
    if (end === undefined) throw error;
  } finally {
    outbox.end();
  }
  if (end === undefined) {
    throw new BuildError('BACKEND_UNAVAILABLE', 'The build daemon ended the connection before the build ended.');
  }
  state.isOver = true;
  if (end.kind === 'failed') throw end.error;
  return end.finished;
}

/** How a build ended. */
type End =
  | { readonly kind: 'finished'; readonly finished: Finished }
  | { readonly kind: 'failed'; readonly error: BuildError };

function firstMessage(state: SessionState, { message }: SessionInput): Request {
  if (!state.mayRun) return { message: { case: 'start', value: message } };
  return { message: { case: 'attach', value: { requestId: message.requestId, after: state.last } } };
}

interface Received {
  readonly event: SessionEvent;
  readonly outbox: Outbox<Request>;
}

function receive(session: Session, { event, outbox }: Received, context: RunContext): End | undefined {
  const { answers, state } = session;
  const { message, sequence } = event;
  if (sequence > 0n) {
    if (sequence <= state.last) return undefined;
    state.last = sequence;
  }
  switch (message.case) {
    case 'event':
      return receiveEvent(session, message.value, context);
    case 'secret':
      answers.secret(message.value, outbox.put);
      return undefined;
    case 'sshOpen':
      answers.sshOpen(message.value, outbox.put);
      return undefined;
    case 'sshData':
      answers.sshData(message.value);
      return undefined;
    default:
      return undefined;
  }
}

function receiveEvent({ state, reader }: Session, { event }: WireEvent, { emit }: RunContext): End | undefined {
  switch (event.case) {
    case 'accepted':
      state.isAccepted = true;
      return undefined;
    case 'queued':
      state.isAccepted = true;
      emit(queuedEvent(event.value.position));
      return undefined;
    case 'progress':
      for (const told of reader.read(event.value.eventJson)) emit(told);
      return undefined;
    case 'finished':
      return { kind: 'finished', finished: event.value };
    case 'error':
      return { kind: 'failed', error: fromErrorMessage(event.value) };
    default:
      // The words of the first protocol, which `progress` says in full.
      return undefined;
  }
}

function queuedEvent(position: number): BuildEvent {
  const builds = position === 1 ? '1 other build' : `${position} other builds`;
  const message = `The build waits on the daemon: ${builds} come${position === 1 ? 's' : ''} first.`;
  return { kind: 'warning', time: Date.now(), code: 'BUILD_QUEUED', message };
}

/** Tells the daemon until it has heard of the build; the session then ends by itself, or is broken off. */
async function cancelBuild({ state, input }: Session, calls: AbortController): Promise<void> {
  if (state.isCancelling) return;
  state.isCancelling = true;
  const { requestId } = input.message;
  const deadline = Date.now() + CANCEL_MS;
  while (!state.isOver && state.connection !== undefined && Date.now() < deadline) {
    const timeoutMs = deadline - Date.now();
    const told = await state.connection.client.cancel({ requestId }, { timeoutMs }).catch(() => undefined);
    if (told?.cancelled === true) {
      // Its last event is on its way.
      await delay(Math.min(LAST_EVENT_MS, Math.max(0, deadline - Date.now())));
      break;
    }
    if (told === undefined || state.isAccepted || !state.mayRun) break;
    await delay(START_MS);
  }
  calls.abort();
}
