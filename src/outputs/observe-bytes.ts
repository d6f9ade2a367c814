import type { RunContext } from '../core/index.ts';

/** What leaves, and how often that is told. */
export interface ObservedExport {
  readonly id: string;
  /** For people. */
  readonly name: string;
  readonly bytesPerEvent: number;
}

/** Passes bytes on and tells of them now and then, and at the end. */
export async function* observeBytes(
  bytes: AsyncIterable<Uint8Array>,
  { id, name, bytesPerEvent }: ObservedExport,
  context: RunContext,
): AsyncGenerator<Uint8Array> {
  const progress = { kind: 'transfer', direction: 'export', id, name } as const;
  let currentBytes = 0;
  let toldBytes = 0;
  for await (const chunk of bytes) {
    currentBytes += chunk.length;
    if (currentBytes - toldBytes >= bytesPerEvent) {
      toldBytes = currentBytes;
      context.emit({ ...progress, time: Date.now(), currentBytes, done: false });
    }
    yield chunk;
  }
  context.emit({ ...progress, time: Date.now(), currentBytes, done: true });
}
