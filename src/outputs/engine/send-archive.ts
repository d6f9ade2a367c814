import { type Digest, isBuildError, type RunContext } from '../../core/index.ts';
import { observeBytes } from '../observe-bytes.ts';

/** An archive for an engine, and how it gets there. */
export interface Sending {
  /** For people. */
  readonly engine: string;
  /** Blobs that the engine has, as far as is known. */
  readonly skip: ReadonlySet<Digest>;
  readonly encode: (skip: ReadonlySet<Digest>) => AsyncIterable<Uint8Array>;
  readonly send: (archive: AsyncIterable<Uint8Array>) => Promise<void>;
}

const BYTES_PER_EVENT = 1 << 20;

/**
 * Sends an archive without what the engine has. Where that is not taken, because the engine has lost something meanwhile, all
 * of it is sent.
 *
 * @throws BuildError as `send` and `encode`.
 */
export async function sendArchive({ engine, skip, encode, send }: Sending, context: RunContext): Promise<void> {
  const name = `load into ${engine}`;
  const told = { id: name, name, bytesPerEvent: BYTES_PER_EVENT };
  const sendOnce = (left: ReadonlySet<Digest>): Promise<void> => send(observeBytes(encode(left), told, context));
  try {
    await sendOnce(skip);
  } catch (error) {
    if (skip.size === 0 || !isBuildError(error, 'OUTPUT_FAILED')) throw error;
    await sendOnce(new Set());
  }
}
