import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BaseImage } from './base-images.ts';
import type { Json } from './oci-layout.ts';
import { type ProgramOptions, type ProgramResult, runOk, runProgram } from './process.ts';

/** The programs that stand behind this fixture. */
export const BUILDAH_PROGRAMS = ['buildah', 'skopeo', 'newuidmap'] as const;

/** A buildah with a store of its own: the reference that our images are compared with. */
export interface Buildah {
  /** What makes every tool of the family use this store. */
  readonly env: Readonly<Record<string, string>>;
  /** `buildah` with the options that name the store. */
  readonly argv: readonly string[];
  /** Runs `buildah …`; fails unless it succeeds. */
  run(args: readonly string[], options?: ProgramOptions): Promise<ProgramResult>;
  /** The same, for commands that are expected to fail. */
  tryRun(args: readonly string[], options?: ProgramOptions): Promise<ProgramResult>;
  /** Runs `skopeo …` on the same store and without signature checks. */
  skopeo(args: readonly string[], options?: ProgramOptions): Promise<ProgramResult>;
  loadBase(base: BaseImage): Promise<void>;
  /** `buildah build` without a builder's label, in docker's format (which keeps HEALTHCHECK, SHELL and ONBUILD). */
  build(args: readonly string[], options?: ProgramOptions): Promise<ProgramResult>;
  /** Writes an image into an OCI layout, layers uncompressed. */
  exportLayout(image: string, layout: string, name: string): Promise<void>;
  /** The image config with docker's fields. */
  inspectConfig(image: string): Promise<Json>;
  /** Starts a command in a fresh container of an image and gives what it printed. */
  runIn(image: string, command: readonly string[]): Promise<string>;
}

/** @param root a fresh directory; remove it with `removeTempDir`. */
export function createBuildah(root: string): Buildah {
  const env = writeConfiguration(root);
  const isolation = ['--isolation', 'chroot'];
  const { graph, run } = { graph: join(root, 'graph'), run: join(root, 'run') };
  // Said in so many words: in a user namespace the configuration's paths are not those of an ordinary user.
  const store = ['--root', graph, '--runroot', run, '--storage-driver', 'overlay'];
  const inStore = (arg: string): string =>
    arg.replace(/^containers-storage:(?!\[)/, `containers-storage:[overlay@${graph}+${run}]`);
  const buildah = (args: readonly string[], options: ProgramOptions = {}): Promise<ProgramResult> =>
    runOk(['buildah', ...store, ...args], { timeoutMs: 300_000, ...options, env: { ...env, ...options.env } });
  const skopeo = (args: readonly string[], options: ProgramOptions = {}): Promise<ProgramResult> =>
    runOk(inStoreNamespace(['skopeo', '--insecure-policy', ...args.map(inStore)]), {
      timeoutMs: 300_000,
      ...options,
      env,
    });
  return {
    env,
    argv: ['buildah', ...store],
    run: buildah,
    tryRun: (args, options = {}) =>
      runProgram(['buildah', ...store, ...args], {
        timeoutMs: 300_000,
        ...options,
        env: { ...env, ...options.env },
      }),
    skopeo,
    loadBase: async ({ layout, reference }) => {
      await skopeo(['copy', '--quiet', `oci:${layout}:${reference}`, `containers-storage:${reference}`]);
    },
    build: (args, options) =>
      buildah(['build', ...isolation, '--format', 'docker', '--identity-label=false', ...args], options),
    exportLayout: async (image, layout, name) => {
      // buildah itself would compress every layer.
      const plain = ['--format', 'oci', '--dest-oci-accept-uncompressed-layers'];
      await skopeo(['copy', '--quiet', ...plain, `containers-storage:${image}`, `oci:${layout}:${name}`]);
    },
    inspectConfig: async (image) => {
      const { stdout } = await buildah(['inspect', '--type', 'image', image]);
      return (JSON.parse(stdout) as { Docker: Json }).Docker;
    },
    runIn: async (image, command) => {
      const container = (await buildah(['from', '--pull-never', image])).stdout.trim();
      try {
        return (await buildah(['run', ...isolation, container, '--', ...command])).stdout;
      } finally {
        await buildah(['rm', container]);
      }
    },
  };
}

/** skopeo opens a rootless store only from inside its user namespace. */
function inStoreNamespace(argv: readonly string[]): readonly string[] {
  return process.getuid?.() === 0 ? argv : ['buildah', 'unshare', ...argv];
}

function writeConfiguration(root: string): Readonly<Record<string, string>> {
  const path = (name: string): string => join(root, name);
  for (const name of ['graph', 'run', 'tmp', 'home']) mkdirSync(path(name), { recursive: true });
  const storage = `[storage]\ndriver = "overlay"\ngraphroot = "${path('graph')}"\nrunroot = "${path('run')}"\n`;
  writeFileSync(path('storage.conf'), storage);
  writeFileSync(path('auth.json'), '{}');
  writeFileSync(path('registries.conf'), 'unqualified-search-registries = []\n');
  return {
    CONTAINERS_STORAGE_CONF: path('storage.conf'),
    CONTAINERS_REGISTRIES_CONF: path('registries.conf'),
    REGISTRY_AUTH_FILE: path('auth.json'),
    TMPDIR: path('tmp'),
    HOME: path('home'),
    XDG_RUNTIME_DIR: path('run'),
  };
}
