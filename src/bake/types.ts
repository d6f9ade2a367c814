import type { SourceRange } from '../core/index.ts';

/** A bake or compose file. */
export interface BakeFile {
  readonly fileName: string;
  readonly text: string;
}

/** A config file with the value that it exports. */
export interface ConfigFile extends BakeFile {
  readonly config: unknown;
}

/** What a file may ask of the world. */
export interface BakeOutside {
  /** Values of variables: the environment, and what stands on the command line. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Variables of the `.env` file beside compose files, which have no value in `env`. */
  readonly envFile?: Readonly<Record<string, string>>;
  readonly nowMs: () => number;
  readonly homeDir: string | undefined;
  /** `os/arch` of this host, the variable BAKE_LOCAL_PLATFORM. */
  readonly localPlatform: string;
}

/**
 * One image to be built, in buildx's names. Texts of `cache-from`, `cache-to`, `output`, `secret` and `ssh` are those of the
 * options of the same name.
 */
export interface BakeTarget {
  readonly attest?: readonly string[];
  readonly call?: string;
  readonly annotations?: readonly string[];
  readonly args?: Readonly<Record<string, string>>;
  readonly 'cache-from'?: readonly string[];
  readonly 'cache-to'?: readonly string[];
  /** Not buildx's: as the options of `zlayer build`. */
  readonly 'cache-mounts-from'?: readonly string[];
  readonly 'cache-mounts-to'?: readonly string[];
  readonly context?: string;
  readonly contexts?: Readonly<Record<string, string>>;
  readonly description?: string;
  readonly dockerfile?: string;
  readonly 'dockerfile-inline'?: string;
  readonly entitlements?: readonly string[];
  readonly 'extra-hosts'?: Readonly<Record<string, string>>;
  readonly labels?: Readonly<Record<string, string>>;
  readonly network?: string;
  readonly 'no-cache'?: boolean;
  readonly 'no-cache-filter'?: readonly string[];
  readonly output?: readonly string[];
  readonly platforms?: readonly string[];
  readonly pull?: boolean;
  readonly secret?: readonly string[];
  readonly 'shm-size'?: string;
  readonly ssh?: readonly string[];
  readonly tags?: readonly string[];
  readonly target?: string;
  readonly ulimits?: readonly string[];
}

/** How the value of an attribute is read. */
export type AttributeKind = 'text' | 'flag' | 'list' | 'map' | 'specs';

/** The attributes of a target. `specs` are lists whose items may be objects: `{ type = "local", dest = "out" }`. */
export const ATTRIBUTES = {
  annotations: 'list',
  args: 'map',
  attest: 'specs',
  'cache-from': 'specs',
  'cache-to': 'specs',
  'cache-mounts-from': 'specs',
  'cache-mounts-to': 'specs',
  call: 'text',
  context: 'text',
  contexts: 'map',
  description: 'text',
  dockerfile: 'text',
  'dockerfile-inline': 'text',
  entitlements: 'list',
  'extra-hosts': 'map',
  labels: 'map',
  network: 'text',
  'no-cache': 'flag',
  'no-cache-filter': 'list',
  output: 'specs',
  platforms: 'list',
  pull: 'flag',
  secret: 'specs',
  'shm-size': 'text',
  ssh: 'specs',
  tags: 'list',
  target: 'text',
  ulimits: 'list',
} as const satisfies Record<keyof BakeTarget, AttributeKind>;

/** Targets that are built together. */
export interface BakeGroup {
  readonly targets: readonly string[];
  readonly description?: string;
}

/** A variable of a file, for `--list=variables`. */
export interface BakeVariable {
  readonly name: string;
  /** As JSON; undefined when it has none. */
  readonly value: string | undefined;
  readonly description: string | undefined;
}

/** Everything that the files of a project say, evaluated. */
export interface BakeProject {
  readonly targets: ReadonlyMap<string, BakeTarget>;
  readonly groups: ReadonlyMap<string, BakeGroup>;
  readonly variables: readonly BakeVariable[];
}

/** Where a name is defined, for errors. */
export interface Place {
  readonly file: BakeFile;
  readonly range: SourceRange;
}
