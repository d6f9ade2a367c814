/** Largest message that either side takes; a Dockerfile, an event or a result stays far below. */
export const MAX_MESSAGE_BYTES = 16 * 1024 * 1024;

/** Content travels in pieces of this size: large enough to cost little each, small enough to leave room for other calls. */
export const CHUNK_BYTES = 256 * 1024;

/**
 * What a side takes before the other one must wait. Node's 64 KiB would hold an upload to 3 MB/s where the round trip takes
 * 20 ms.
 */
export const WINDOW_BYTES = 4 * 1024 * 1024;

/** A connection that carries a call is looked after this often: one that is gone is noticed in half a minute. */
export const KEEPALIVE_MS = 20_000;
export const KEEPALIVE_TIMEOUT_MS = 10_000;

/** Calls at once of one connection; more of them wait at the client. */
export const MAX_CALLS = 256;
