import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { BuildError } from '../../core/index.ts';
import { type Lock, readOwner, tryLock } from '../../store/index.ts';
import type { TreeLimits } from './check-tree.ts';
import { type ClientContexts, createClientContexts } from './client-contexts.ts';
import { collectGarbage } from './collect-garbage.ts';
import { namesIn } from './content-folder.ts';
import { removeTree } from './remove-tree.ts';

/** The build contexts that clients have sent, kept between builds and runs of the daemon. */
export interface ContextStore {
  /** @param identity the client's, as hexadecimal digits */
  of(identity: string): ClientContexts;
  /** Removes what has not been used for long, and what is too much. */
  collect(): void;
  close(): void;
}

export interface ContextStoreOptions {
  readonly directory: string;
  /** All that is kept for all clients; uploads beyond are refused once nothing can be removed any more. */
  readonly maxBytes: number;
  readonly limits?: TreeLimits | undefined;
}

/** Share of the space that is left to be used when there was too much. */
const ROOMY = 0.9;
/** Daemons that use one directory at once; each has a slot of its own. */
const MAX_SLOTS = 64;

/**
 * Opens the store. Each daemon has a part of the directory for itself: two never touch the same files, and the next one
 * takes over what a daemon that ended has left.
 *
 * @throws BuildError `STORE_LOCKED` when too many daemons use the directory.
 */
export function openContextStore(options: ContextStoreOptions): ContextStore {
  const { directory, lock } = takeSlot(options.directory);
  forgetLastBoot(directory);
  const clients = new Map<string, ClientContexts>();
  let usedBytes: number | undefined;
  const of = (identity: string): ClientContexts => {
    const known = clients.get(identity);
    if (known !== undefined) return known;
    if (!isIdentity(identity)) throw new BuildError('INTERNAL', 'A client has an identity that is none.');
    const made = createClientContexts({ directory: `${directory}/${identity}`, limits: options.limits, reserve });
    clients.set(identity, made);
    return made;
  };
  const openAll = (): readonly ClientContexts[] => {
    for (const name of namesIn(directory).filter(isIdentity)) of(name);
    return [...clients.values()];
  };
  const collectTo = (maxBytes: number): number => {
    usedBytes = collectGarbage(openAll(), { maxBytes, nowMs: Date.now() });
    return usedBytes;
  };
  const { maxBytes } = options;
  const reserve = (bytes: number): void => {
    let used = usedBytes ?? collectTo(maxBytes);
    // Room for more than is asked for, so that the next call need not look through everything again.
    if (used + bytes > maxBytes) used = collectTo(Math.min(maxBytes - bytes, maxBytes * ROOMY));
    if (used + bytes > maxBytes) throw full(maxBytes);
    usedBytes = used + bytes;
  };
  const collect = (): void => void collectTo(maxBytes);
  return { of, collect, close: () => lock.release() };
}

function isIdentity(text: string): boolean {
  return /^[0-9a-f]{16,64}$/.test(text);
}

function takeSlot(parent: string): { readonly directory: string; readonly lock: Lock } {
  const self = readOwner();
  for (let slot = 0; slot < MAX_SLOTS; slot++) {
    const directory = `${parent}/${slot}`;
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const lock = tryLock(`${directory}/lock`, self);
    if (lock !== undefined) return { directory, lock };
  }
  throw new BuildError('STORE_LOCKED', `${MAX_SLOTS} daemons use ${parent} already.`, {
    hint: 'Give this one a directory of its own with --storage-root.',
  });
}

/**
 * Contents are not synced to disk one by one, so a power cut may have damaged them: those from before the last boot are set
 * aside, to be verified when they are wanted. Trees laid out of them go.
 */
function forgetLastBoot(directory: string): void {
  const { bootId } = readOwner();
  const mark = `${directory}/boot`;
  if (readMark(mark) !== bootId) {
    for (const name of namesIn(directory).filter(isIdentity)) {
      const client = `${directory}/${name}`;
      for (const part of ['trees', 'partial', 'tmp', 'old']) removeTree(`${client}/${part}`);
      if (namesIn(client).includes('contents')) renameSync(`${client}/contents`, `${client}/old`);
    }
  }
  writeFileSync(mark, bootId, { mode: 0o600 });
}

function readMark(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

function full(maxBytes: number): BuildError {
  return new BuildError(
    'STORE_FULL',
    `The daemon keeps ${maxBytes} bytes of build contexts, and there is no more room.`,
    {
      hint: 'Exclude with .dockerignore what no step uses, or start the daemon with a larger --context-space.',
    },
  );
}
