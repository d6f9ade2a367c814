import { type BuildError, isBuildError, type RunContext } from '../../core/index.ts';
import {
  type HttpRequest,
  type HttpResponse,
  isTransientStatus,
  parseRetryAfter,
  pause,
  retry,
  SYSTEM_TIMING,
  type Transport,
} from '../../registry/index.ts';

const MAX_ATTEMPTS = 4;

/** A request that is sent until it is answered. */
export interface PatientRequest {
  /** Made anew for every attempt: signatures age, and a stream is read once. */
  readonly request: () => Promise<HttpRequest>;
  /** What an answer that may pass, or a connection that failed, is told as when it does not pass. */
  readonly toError: (failure: HttpResponse | Error) => Promise<BuildError>;
}

/** Sends a request, again with growing waits while the other side or the network stumbles. */
export function sendPatiently(
  transport: Transport,
  { request, toError }: PatientRequest,
  { signal }: RunContext,
): Promise<HttpResponse> {
  return retry(
    SYSTEM_TIMING,
    async () => {
      try {
        const answer = await transport.send(await request(), signal);
        if (!isTransientStatus(answer.status)) return { kind: 'done', value: answer };
        const waitMs = parseRetryAfter(answer.header('retry-after'), SYSTEM_TIMING.now());
        const failed = { kind: 'failed', error: await toError(answer), attemptsAllowed: MAX_ATTEMPTS } as const;
        return waitMs === undefined ? failed : { ...failed, waitMs };
      } catch (error) {
        if (isBuildError(error)) throw error;
        return { kind: 'failed', error: await toError(error as Error), attemptsAllowed: MAX_ATTEMPTS };
      }
    },
    signal,
  );
}

/** Reads an object to its end: where a connection is lost, from the byte on that is missing. */
export async function* readPatiently(
  open: (offset: number) => Promise<AsyncIterable<Uint8Array>>,
  { signal }: RunContext,
): AsyncGenerator<Uint8Array> {
  let offset = 0;
  for (let failures = 0; ; ) {
    const before = offset;
    try {
      for await (const chunk of await open(offset)) {
        offset += chunk.length;
        yield chunk;
      }
      return;
    } catch (error) {
      failures = offset > before ? 1 : failures + 1;
      if (isBuildError(error) || failures >= MAX_ATTEMPTS) throw error;
      await pause(SYSTEM_TIMING, 100 * 2 ** failures, signal);
    }
  }
}
