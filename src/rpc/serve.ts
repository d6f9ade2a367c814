import { createHash, X509Certificate } from 'node:crypto';
import { type EventEmitter, once } from 'node:events';
import type { PeerCertificate } from 'node:tls';
import type { DescMethod, MessageInitShape, MessageShape } from '@bufbuild/protobuf';
import {
  Metadata,
  type ServerDuplexStream,
  type ServerReadableStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
  type UntypedHandleCall,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { throwIfCancelled } from '../core/index.ts';
import { createGate } from './gate.ts';
import type { AnyService } from './service-definition.ts';
import { toStatus } from './status.ts';

/** Who calls. */
export interface Peer {
  /** Host and port. */
  readonly address: string;
  /** Common name of the client's certificate; undefined without TLS. */
  readonly identity: string | undefined;
  /** Serial number of that certificate, in lower-case hexadecimal digits. */
  readonly serialNumber: string | undefined;
  /** sha256 of that certificate's public key, in hexadecimal digits: who the client is, whatever it calls itself. */
  readonly keyDigest?: string | undefined;
}

/** What a method knows of its call besides the request. */
export interface ServedCall {
  /** Aborted when the client cancels, is gone, or its deadline is over. */
  readonly signal: AbortSignal;
  readonly peer: Peer;
  /** Full name of the method, `/package.Service/Method`. */
  readonly path: string;
}

/** A method as it is implemented. What it throws ends the call with the status of that error. */
export type ServedMethod<M extends DescMethod> = M['methodKind'] extends 'unary'
  ? (request: MessageShape<M['input']>, call: ServedCall) => Promise<MessageInitShape<M['output']>>
  : M['methodKind'] extends 'server_streaming'
    ? (request: MessageShape<M['input']>, call: ServedCall) => AsyncIterable<MessageInitShape<M['output']>>
    : M['methodKind'] extends 'client_streaming'
      ? (requests: AsyncIterable<MessageShape<M['input']>>, call: ServedCall) => Promise<MessageInitShape<M['output']>>
      : (
          requests: AsyncIterable<MessageShape<M['input']>>,
          call: ServedCall,
        ) => AsyncIterable<MessageInitShape<M['output']>>;

/** An implementation of a service; a method left out answers UNIMPLEMENTED, as an older server would. */
export type ServiceImplementation<S extends AnyService> = {
  readonly [N in keyof S['method']]?: ServedMethod<S['method'][N] & DescMethod>;
};

/** What is done with every call of a service, before its method and after its end. */
export interface ServeOptions {
  /** Refuses a call by throwing. */
  readonly authorize?: (call: ServedCall) => void;
  /** Called for every call that was let in; the function that it returns when the call is over, however it ended. */
  readonly watch?: (call: ServedCall) => (failure: unknown) => void;
}

/**
 * Makes an implementation what the gRPC library serves. Streams are async iterables with back pressure; a client that is
 * gone ends the iteration of an answer stream (`return` is called), and the stream of its requests.
 */
export function toHandlers<S extends AnyService>(
  service: S,
  implementation: ServiceImplementation<S>,
  options: ServeOptions = {},
): UntypedServiceImplementation {
  const methods = Object.entries<DescMethod>(service.method);
  const handlers = methods.flatMap(([name, method]): ReadonlyArray<[string, UntypedHandleCall]> => {
    const served = implementation[name as keyof S['method']] as AnyMethod | undefined;
    return served === undefined ? [] : [[name, toHandler(method.methodKind, served, options)]];
  });
  return Object.fromEntries(handlers);
}

// biome-ignore lint/suspicious/noExplicitAny: one place where the four kinds of methods meet.
type AnyMethod = (input: any, call: ServedCall) => any;
type AnyCall =
  | ServerUnaryCall<unknown, unknown>
  | ServerReadableStream<unknown, unknown>
  | ServerWritableStream<unknown, unknown>
  | ServerDuplexStream<unknown, unknown>;

function toHandler(kind: DescMethod['methodKind'], method: AnyMethod, options: ServeOptions): UntypedHandleCall {
  switch (kind) {
    case 'unary':
      return (call: ServerUnaryCall<unknown, unknown>, callback: sendUnaryData<unknown>) =>
        void answer({ call, callback, options }, (served) => method(call.request, served));
    case 'client_streaming':
      return (call: ServerReadableStream<unknown, unknown>, callback: sendUnaryData<unknown>) =>
        void answer({ call, callback, options }, (served) => method(requestsOf(call, served.signal), served));
    case 'server_streaming':
      return (call: ServerWritableStream<unknown, unknown>) =>
        void answerWithStream(call, options, (served) => method(call.request, served));
    case 'bidi_streaming':
      return (call: ServerDuplexStream<unknown, unknown>) =>
        void answerWithStream(call, options, (served) => method(requestsOf(call, served.signal), served));
  }
}

type Over = (failure: unknown) => void;

interface Answering {
  readonly call: ServerUnaryCall<unknown, unknown> | ServerReadableStream<unknown, unknown>;
  readonly callback: sendUnaryData<unknown>;
  readonly options: ServeOptions;
}

async function answer(
  { call, callback, options }: Answering,
  work: (served: ServedCall) => Promise<unknown>,
): Promise<void> {
  const opened = openCall(call);
  let over: Over | undefined;
  try {
    options.authorize?.(opened.served);
    over = options.watch?.(opened.served);
    const message = await work(opened.served);
    callback(null, message);
    over?.(undefined);
  } catch (error) {
    callback(toStatus(error));
    over?.(error);
  } finally {
    opened.close();
  }
}

async function answerWithStream(
  call: ServerWritableStream<unknown, unknown> | ServerDuplexStream<unknown, unknown>,
  options: ServeOptions,
  work: (served: ServedCall) => AsyncIterable<unknown>,
): Promise<void> {
  const opened = openCall(call);
  let over: Over | undefined;
  try {
    options.authorize?.(opened.served);
    over = options.watch?.(opened.served);
    for await (const message of work(opened.served)) {
      if (opened.served.signal.aborted) break;
      if (!call.write(message)) await drained(call, opened.served.signal);
      if (opened.served.signal.aborted) break;
    }
    call.end();
    over?.(undefined);
  } catch (error) {
    call.emit('error', toStatus(error));
    over?.(error);
  } finally {
    opened.close();
  }
}

/**
 * The requests of a call. The library tells a cancelled one by an event alone; here the iteration ends with `CANCELLED`.
 * Leaving the iteration early leaves the call as it is: its answers may go on.
 */
async function* requestsOf(
  call: ServerReadableStream<unknown, unknown> | ServerDuplexStream<unknown, unknown>,
  signal: AbortSignal,
): AsyncGenerator<unknown, void, undefined> {
  const iterator = call.iterator({ destroyOnReturn: false });
  const unlessCancelled = createGate(new Promise<void>((resolve) => onAbort(signal, resolve)));
  for (;;) {
    const next = await unlessCancelled(iterator.next());
    if (next?.done === true) await noticeCancel(call);
    throwIfCancelled(signal);
    if (next === undefined || next.done === true) return;
    yield next.value;
  }
}

/**
 * Requests that were broken off end like requests that are complete, and the call is told to be cancelled some time later.
 * The library looks when it is about to send something, and tells on the next tick.
 */
async function noticeCancel(call: AnyCall): Promise<void> {
  call.sendMetadata(new Metadata());
  await new Promise((resolve) => setImmediate(resolve));
}

/** The signal belongs to one call, and goes with it. */
function onAbort(signal: AbortSignal, work: () => void): void {
  if (signal.aborted) work();
  else signal.addEventListener('abort', work, { once: true });
}

async function drained(call: NodeJS.EventEmitter, signal: AbortSignal): Promise<void> {
  // An abort ends the wait; the caller looks at the signal.
  await once(call, 'drain', { signal }).catch(() => undefined);
}

function openCall(call: AnyCall): { readonly served: ServedCall; readonly close: () => void } {
  const controller = new AbortController();
  const abort = (): void => controller.abort();
  const emitter: EventEmitter = call;
  emitter.on('cancelled', abort);
  if (call.cancelled) abort();
  return {
    served: { signal: controller.signal, peer: peerOf(call), path: call.getPath() },
    close: () => emitter.removeListener('cancelled', abort),
  };
}

function peerOf(call: AnyCall): Peer {
  const certificate: Partial<PeerCertificate> = call.getAuthContext().sslPeerCertificate ?? {};
  return {
    address: call.getPeer(),
    identity: [certificate.subject?.CN].flat()[0],
    serialNumber: certificate.serialNumber?.toLowerCase(),
    keyDigest: certificate.raw === undefined ? undefined : keyDigestOf(certificate.raw),
  };
}

function keyDigestOf(certificate: Buffer): string {
  const key = new X509Certificate(certificate).publicKey.export({ type: 'spki', format: 'der' });
  return createHash('sha256').update(key).digest('hex');
}
