import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** A daemon that is smaller is let alone. */
const LARGE_BYTES = 128 << 20;
/** Looking through the heap takes a moment, in which no call is answered. */
const PAUSE_MS = 2000;

let collect: (() => void) | undefined;
let lastMs = 0;

/**
 * Frees what finished work has left in a large heap. V8 would wait until the heap is larger still, and keep the next build's
 * memory on top of the last one's.
 */
export function relieveMemory(): void {
  const now = Date.now();
  if (now - lastMs < PAUSE_MS || process.memoryUsage.rss() < LARGE_BYTES) return;
  lastMs = now;
  if (collect === undefined) {
    setFlagsFromString('--expose-gc');
    collect = runInNewContext('gc') as () => void;
  }
  collect();
}
