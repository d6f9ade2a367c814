/** A value where bake files have texts. One that is undefined is left out. */
export type ConfigValue = string | number | boolean | undefined;

/** Values by name. */
export type ConfigMap = Readonly<Record<string, ConfigValue>>;

interface Compressed {
  readonly compression?: 'gzip' | 'zstd' | 'uncompressed';
  readonly compressionLevel?: number;
  readonly forceCompression?: boolean;
  readonly ociMediatypes?: boolean;
  readonly rewriteTimestamp?: boolean;
}

/** Where a target's result goes: the fields of `--output`. */
export type ConfigOutput =
  | string
  | ({ readonly type: 'image' | 'registry'; readonly name?: string; readonly push?: boolean } & Compressed)
  | ({ readonly type: 'oci'; readonly dest: string; readonly tar?: boolean; readonly name?: string } & Compressed)
  | ({ readonly type: 'docker'; readonly dest?: string; readonly name?: string } & Compressed)
  | { readonly type: 'tar' | 'local'; readonly dest: string; readonly rewriteTimestamp?: boolean }
  | { readonly type: 'cacheonly' };

/** A shared cache: the fields of `--cache-from` and `--cache-to`. */
export type ConfigCache =
  | string
  | ((
      | { readonly type: 'registry'; readonly ref: string }
      | { readonly type: 'local'; readonly src?: string; readonly dest?: string; readonly tag?: string }
      | { readonly type: 's3'; readonly bucket: string; readonly region: string; readonly name?: string }
      | { readonly type: 'gha'; readonly scope?: string }
      | { readonly type: 'inline' }
    ) & {
      readonly mode?: 'min' | 'max';
      readonly compression?: 'gzip' | 'zstd' | 'uncompressed';
      readonly compressionLevel?: number;
      readonly ignoreError?: boolean;
    });

/** A secret: the fields of `--secret`. */
export type ConfigSecret = string | { readonly id: string; readonly src?: string; readonly env?: string };

/** A soft and a hard limit; one number is both. */
export type ConfigLimit = number | { readonly soft: number; readonly hard: number };

/**
 * One image of a `zlayer.config.ts`: the attributes of a bake file's target, with their names in camel case. Paths are relative
 * to the directory in which `zlayer bake` runs, as in bake files.
 */
export interface ConfigTarget {
  /** Targets whose attributes it takes over, the later ones over the earlier. */
  readonly inherits?: readonly string[];
  readonly description?: string;
  /** Directory, git or http URL. Default `.`. */
  readonly context?: string;
  /** Named contexts; `target:NAME` is the image of another target. */
  readonly contexts?: Readonly<Record<string, string>>;
  /** Path from the context on. */
  readonly dockerfile?: string;
  /** The text of the Dockerfile itself. */
  readonly dockerfileInline?: string;
  /** Stage to stop at. */
  readonly target?: string;
  readonly args?: ConfigMap;
  readonly labels?: ConfigMap;
  readonly annotations?: readonly string[];
  readonly tags?: readonly string[];
  readonly platforms?: readonly string[];
  readonly output?: readonly ConfigOutput[];
  readonly cacheFrom?: readonly ConfigCache[];
  readonly cacheTo?: readonly ConfigCache[];
  readonly cacheMountsFrom?: readonly ConfigCache[];
  readonly cacheMountsTo?: readonly ConfigCache[];
  readonly secret?: readonly ConfigSecret[];
  readonly ssh?: readonly string[];
  readonly network?: 'default' | 'none' | 'host';
  readonly noCache?: boolean;
  readonly noCacheFilter?: readonly string[];
  readonly pull?: boolean;
  /** Such as `128m`; a number counts bytes. */
  readonly shmSize?: string | number;
  readonly ulimits?: Readonly<Record<string, ConfigLimit>>;
  /** Address by host name. */
  readonly extraHosts?: Readonly<Record<string, string>>;
  readonly entitlements?: readonly string[];
}

/** What a `zlayer.config.ts` says: the typed form of a bake file. */
export interface BakeConfig {
  readonly targets: Readonly<Record<string, ConfigTarget>>;
  /** Targets and groups that are built together; `default` is what is built when nothing is named. */
  readonly groups?: Readonly<Record<string, readonly string[]>>;
}

/** What a config that is a function is given. */
export interface ConfigContext {
  /** The environment, and over it the values of `--var`. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** `os/arch` of this host. */
  readonly localPlatform: string;
}

/** A config, or a function that makes one. */
export type ConfigExport = BakeConfig | ((context: ConfigContext) => BakeConfig | Promise<BakeConfig>);

/** Gives a config its types: `export default defineConfig({ targets: { app: { tags: ['app'] } } })`. */
export function defineConfig<const T extends ConfigExport>(config: T): T {
  return config;
}
