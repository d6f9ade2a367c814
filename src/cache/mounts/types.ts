import type { Entry } from '../../archive/index.ts';
import type { BytePath, RunContext } from '../../core/index.ts';
import type { CacheLocation, CacheTarget } from '../types.ts';

/** Where the content of cache mounts comes from. Results of steps lie elsewhere: under another tag, name or scope. */
export type CacheMountsLocation = CacheLocation & {
  /** Ids of the mounts that it is for; default all. */
  readonly ids?: readonly string[];
};

/** Where the content of cache mounts goes after a build. */
export type CacheMountsTarget = CacheMountsLocation &
  Pick<CacheTarget, 'ignoreError' | 'compression' | 'compressionLevel'> & {
    /** Largest size of all mounts as they are sent: those used longest ago are left out first. */
    readonly maxSizeBytes?: number;
  };

/** A name in a cache mount. Sockets, devices and FIFOs have none: they do not travel. */
export interface MountName {
  /** As a step sees it. Names of one file are hard links to the first of them, in the order of bytes. */
  readonly entry: Entry;
  /** Inode, size and times in nanoseconds: equal for a file that nobody has written to. */
  readonly stamp: string;
  /** When anything of it last changed, in milliseconds; undefined where the file system counts in seconds. */
  readonly changedMs: number | undefined;
}

/** A file with its content. */
export interface MountFile {
  /** `xattrs` are known now. */
  readonly entry: Entry;
  /** To be read before the next file is asked for. */
  readonly body: AsyncIterable<Uint8Array>;
}

/** An entry that is to be made; files that are not empty have their content as `bytes` or `body`. */
export interface NewName {
  readonly entry: Entry;
  readonly bytes?: Uint8Array;
  readonly body?: AsyncIterable<Uint8Array>;
}

/** The files of one cache mount on this machine, with the owners and modes that steps see. */
export interface MountFiles {
  /** The root first, then everything below it in the order of bytes. */
  list(context: RunContext): Promise<readonly MountName[]>;
  /** In the order of `paths`; files that are gone are left out. */
  read(paths: readonly BytePath[], context: RunContext): AsyncIterable<MountFile>;
  /** Into an empty directory. Parents come before what is in them, links last. */
  write(names: AsyncIterable<NewName>, context: RunContext): Promise<void>;
  /** Leaves nothing in the directory. */
  clear(context: RunContext): Promise<void>;
}

/** A cache mount that may be looked into, or filled. */
export interface OpenMount {
  readonly id: string;
  readonly files: MountFiles;
  /** Where what is known of its files is kept, beside the directory. */
  readonly stampsPath: string;
}

/** A cache mount that is locked. */
export interface HeldMount extends OpenMount {
  /** Nobody else uses it: its files stay as they are. */
  readonly isAlone: boolean;
  release(): Promise<void>;
}

/** A cache mount that a step used. */
export interface UsedMount {
  readonly id: string;
  /** 0, or the number of a further directory of a private mount. */
  readonly instance: number;
  /** Takes its lock: alone where nobody has it, else as a step would, waiting for it. @throws BuildError `CANCELLED`. */
  hold(signal: AbortSignal): Promise<HeldMount>;
}

/** How cache mounts come from elsewhere, and who is told that they were used. */
export interface MountTravel {
  /** Fills a mount that is empty. False when nobody has it: it is still empty then. @throws BuildError `CANCELLED`. */
  fill(mount: OpenMount, context: RunContext): Promise<boolean>;
  use(mount: UsedMount): void;
}
