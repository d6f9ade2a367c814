import { once } from 'node:events';
import type { DescMessage, DescMethod, MessageInitShape, MessageShape } from '@bufbuild/protobuf';
import {
  type CallOptions,
  type Client,
  type ClientDuplexStream,
  type ClientReadableStream,
  type ClientWritableStream,
  Metadata,
  type MethodDefinition,
  type ServiceError,
  type StatusObject,
  status,
} from '@grpc/grpc-js';
import { throwIfCancelled } from '../core/index.ts';
import { createGate } from './gate.ts';
import { type AnyService, toMethodDefinition } from './service-definition.ts';
import { fromStatus } from './status.ts';

/** How one call is cancelled, and when it is given up. */
export interface CallContext {
  readonly signal?: AbortSignal;
  /** From the call to its end; no limit where it is absent. */
  readonly timeoutMs?: number;
}

/** A method as it is called. Messages may be given as their fields alone. */
export type ClientCall<M extends DescMethod> = M['methodKind'] extends 'unary'
  ? (request: MessageInitShape<M['input']>, context?: CallContext) => Promise<MessageShape<M['output']>>
  : M['methodKind'] extends 'server_streaming'
    ? (request: MessageInitShape<M['input']>, context?: CallContext) => AsyncIterable<MessageShape<M['output']>>
    : M['methodKind'] extends 'client_streaming'
      ? (
          requests: AsyncIterable<MessageInitShape<M['input']>>,
          context?: CallContext,
        ) => Promise<MessageShape<M['output']>>
      : (
          requests: AsyncIterable<MessageInitShape<M['input']>>,
          context?: CallContext,
        ) => AsyncIterable<MessageShape<M['output']>>;

/** All methods of a service. */
export type ServiceClient<S extends AnyService> = {
  readonly [N in keyof S['method']]: ClientCall<S['method'][N] & DescMethod>;
};

/**
 * A client of a service over a channel. Streams are async iterables with back pressure both ways: a request is taken when
 * there is room for it, an answer is read when it is asked for. Leaving an answer stream early cancels its call; so does the
 * signal. An answer stream starts its call when it is made and must be read.
 *
 * @throws BuildError from every call: what the server threw, `CANCELLED`, `BACKEND_UNAVAILABLE` when there is no connection or
 * the time is up.
 */
export function createServiceClient<S extends AnyService>(channel: Client, service: S): ServiceClient<S> {
  const methods = Object.entries<DescMethod>(service.method);
  return Object.fromEntries(methods.map(([name, method]) => [name, createCall(channel, method)])) as ServiceClient<S>;
}

type Definition = MethodDefinition<unknown, unknown>;
type Requests = AsyncIterable<unknown>;

function createCall(channel: Client, method: DescMethod): unknown {
  const definition = toMethodDefinition(method as DescMethod & { input: DescMessage; output: DescMessage });
  const target = { channel, definition: definition as Definition };
  switch (method.methodKind) {
    case 'unary':
      return (request: unknown, context: CallContext = {}) => callUnary(target, request, context);
    case 'server_streaming':
      return (request: unknown, context: CallContext = {}) => callForStream(target, request, context);
    case 'client_streaming':
      return (requests: Requests, context: CallContext = {}) => callWithStream(target, requests, context);
    case 'bidi_streaming':
      return (requests: Requests, context: CallContext = {}) => callBothWays(target, requests, context);
  }
}

interface Target {
  readonly channel: Client;
  readonly definition: Definition;
}

interface Cancellable {
  cancel(): void;
}

async function callUnary({ channel, definition }: Target, request: unknown, context: CallContext): Promise<unknown> {
  if (context.signal !== undefined) throwIfCancelled(context.signal);
  const { path, requestSerialize, responseDeserialize } = definition;
  const answer = createAnswer();
  const call = channel.makeUnaryRequest(
    path,
    requestSerialize,
    responseDeserialize,
    request,
    new Metadata(),
    optionsOf(context),
    answer.callback,
  );
  return withSignal(call, context, () => answer.promise);
}

async function callWithStream({ channel, definition }: Target, requests: Requests, context: CallContext) {
  if (context.signal !== undefined) throwIfCancelled(context.signal);
  const { path, requestSerialize, responseDeserialize } = definition;
  const answer = createAnswer();
  const call = channel.makeClientStreamRequest(
    path,
    requestSerialize,
    responseDeserialize,
    new Metadata(),
    optionsOf(context),
    answer.callback,
  );
  // Without a listener an early end of the call would be thrown from the stream, besides from the answer.
  call.on('error', () => undefined);
  const over = answer.promise.then(
    () => undefined,
    () => undefined,
  );
  return withSignal(call, context, async () => {
    await Promise.race([sendAll(call, requests, over).catch((error: unknown) => failSending(call, error)), over]);
    return answer.promise;
  });
}

function callForStream(
  { channel, definition }: Target,
  request: unknown,
  context: CallContext,
): AsyncIterable<unknown> {
  const { path, requestSerialize, responseDeserialize } = definition;
  const call = channel.makeServerStreamRequest(
    path,
    requestSerialize,
    responseDeserialize,
    request,
    new Metadata(),
    optionsOf(context),
  );
  return receiveAll(call, context, endOf(call));
}

function callBothWays(
  { channel, definition }: Target,
  requests: Requests,
  context: CallContext,
): AsyncIterable<unknown> {
  const { path, requestSerialize, responseDeserialize } = definition;
  const call = channel.makeBidiStreamRequest(
    path,
    requestSerialize,
    responseDeserialize,
    new Metadata(),
    optionsOf(context),
  );
  const end = endOf(call);
  let failure: unknown;
  const over = end.then(() => undefined);
  sendAll(call, requests, over).catch((error: unknown) => {
    failure = error;
    call.cancel();
  });
  return receiveAll(call, context, end, () => failure);
}

function optionsOf({ timeoutMs }: CallContext): CallOptions {
  return timeoutMs === undefined ? {} : { deadline: Date.now() + timeoutMs };
}

interface Answer {
  readonly promise: Promise<unknown>;
  readonly callback: (error: ServiceError | null, value?: unknown) => void;
}

function createAnswer(): Answer {
  let callback: Answer['callback'] = () => undefined;
  const promise = new Promise<unknown>((resolve, reject) => {
    callback = (error, value) => (error === null ? resolve(value) : reject(error));
  });
  return { promise, callback };
}

async function withSignal<T>(call: Cancellable, { signal }: CallContext, work: () => Promise<T>): Promise<T> {
  const unlink = cancelWith(call, signal);
  try {
    return await work();
  } catch (error) {
    throw fromStatus(error);
  } finally {
    unlink();
  }
}

function cancelWith(call: Cancellable, signal: AbortSignal | undefined): () => void {
  if (signal === undefined) return () => undefined;
  const cancel = (): void => call.cancel();
  if (signal.aborted) cancel();
  else signal.addEventListener('abort', cancel, { once: true });
  return () => signal.removeEventListener('abort', cancel);
}

/** Ends the call with what was thrown while its requests were made. */
function failSending(call: Cancellable, error: unknown): never {
  call.cancel();
  throw error;
}

/** Sends requests until there are no more, or the call is over. */
async function sendAll(
  call: ClientWritableStream<unknown> | ClientDuplexStream<unknown, unknown>,
  requests: Requests,
  over: Promise<undefined>,
): Promise<void> {
  const iterator = requests[Symbol.asyncIterator]();
  const unlessOver = createGate(over);
  try {
    for (;;) {
      const next = await unlessOver(iterator.next());
      if (next === undefined) return;
      if (next.done === true) break;
      if (!call.write(next.value) && (await unlessOver(once(call, 'drain'))) === undefined) return;
    }
    call.end();
  } finally {
    // Not awaited: a source that waits for something of its own may take as long as it likes to notice.
    void Promise.resolve(iterator.return?.()).catch(() => undefined);
  }
}

/** The status with which a call ends. Attached at once: the library tells it only once. */
function endOf(call: ClientReadableStream<unknown> | ClientDuplexStream<unknown, unknown>): Promise<StatusObject> {
  return new Promise((resolve) => {
    call.on('status', resolve);
    // The same as the status; without a listener it would be thrown where nobody can catch it.
    call.on('error', () => undefined);
  });
}

async function* receiveAll(
  call: ClientReadableStream<unknown> | ClientDuplexStream<unknown, unknown>,
  context: CallContext,
  end: Promise<StatusObject>,
  failureOf: () => unknown = () => undefined,
): AsyncGenerator<unknown, void, undefined> {
  const unlink = cancelWith(call, context.signal);
  try {
    for await (const message of call) yield message;
    const ended = await end;
    if (ended.code !== status.OK) throw Object.assign(new Error(ended.details), ended);
  } catch (error) {
    throw fromStatus(failureOf() ?? error);
  } finally {
    unlink();
    call.cancel();
  }
}
