import type { BlobId, RunContext } from '../core/index.ts';

/** Progress of one blob, told as `transfer` events: at the start, at most ten times a second, and at the end. */
export interface Transfer {
  advance(bytes: number): void;
  /** Sets the position, such as after a resumption. */
  moveTo(currentBytes: number): void;
  /** Tells that nothing more comes, whether it went well or not. */
  end(): void;
}

const INTERVAL_MS = 100;
const SHORT_DIGEST_LENGTH = 'sha256:'.length + 12;

let transfers = 0;

export function startTransfer(direction: 'pull' | 'push', blob: BlobId, context: RunContext): Transfer {
  transfers += 1;
  const id = `${direction}-${transfers}`;
  let current = 0;
  let toldMs = 0;
  const tell = (done: boolean): void => {
    toldMs = Date.now();
    const name = blob.digest.slice(0, SHORT_DIGEST_LENGTH);
    const progress = { currentBytes: current, totalBytes: blob.sizeBytes, done };
    context.emit({ kind: 'transfer', time: toldMs, id, direction, name, ...progress });
  };
  tell(false);
  const moveTo = (position: number): void => {
    current = position;
    if (Date.now() - toldMs >= INTERVAL_MS) tell(false);
  };
  return { advance: (bytes) => moveTo(current + bytes), moveTo, end: () => tell(true) };
}
