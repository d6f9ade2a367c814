import type { Platform } from '../core/index.ts';
import type { ContainerConfig, HistoryEntry, ImageConfig } from '../oci/index.ts';
import type { VertexId } from './ops.ts';
import { type Variables, variablesOf } from './scope.ts';

/** PATH of images that set none. */
export const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

const DEFAULT_SHELL = ['/bin/sh', '-c'];

/** One entry of an image's history. `created` is filled in when the image is put together. */
export interface PlannedHistory {
  readonly entry: HistoryEntry;
  /** The vertex whose layer the entry stands for; absent for entries of the base and those without a layer. */
  readonly vertex?: VertexId;
}

/** What the instructions so far have made of a stage. Every instruction makes a new state. */
export interface StageState {
  /** The root file system. */
  readonly root: VertexId;
  readonly platform: Platform;
  /** The base's config document, for what instructions do not touch. */
  readonly base: ImageConfig;
  readonly config: ContainerConfig;
  readonly author: string | undefined;
  readonly history: readonly PlannedHistory[];
  /** ENV and ARG together, in the order of declaration: what RUN gets and `$NAME` means. */
  readonly variables: Variables;
  /** Declared ARG names with their values, first declaration first; for history texts. */
  readonly args: ReadonlyMap<string, string | undefined>;
  /** `/` or as WORKDIR left it: absolute. */
  readonly cwd: string;
  /** CMD was set in this stage, so ENTRYPOINT leaves it alone. */
  readonly cmdSet: boolean;
}

/** The config that `FROM scratch` starts with. */
export function scratchConfig(platform: Platform): ImageConfig {
  return {
    architecture: platform.architecture,
    os: platform.os,
    ...(platform.variant === undefined ? {} : { variant: platform.variant }),
    config: { Env: [`PATH=${DEFAULT_PATH}`], WorkingDir: '/' },
    rootfs: { type: 'layers', diff_ids: [] },
    history: [],
  };
}

/** The state right after `FROM image` or `FROM scratch`. */
export function stateOfBase(input: { root: VertexId; platform: Platform; base: ImageConfig }): StageState {
  const { OnBuild: _fired, ...config } = input.base.config ?? {};
  return startStage({
    ...input,
    config,
    author: input.base.author,
    history: (input.base.history ?? []).map((entry) => ({ entry })),
    variables: new Map(),
    args: new Map(),
    cwd: '/',
    cmdSet: false,
  });
}

/** The state right after `FROM stage`: the parent's, with ENV over ARG and its triggers gone. */
export function startStage(parent: StageState): StageState {
  const { OnBuild: _fired, ...config } = parent.config;
  const env = variablesOf(config.Env);
  if (!env.has('PATH')) config.Env = [...(config.Env ?? []), `PATH=${DEFAULT_PATH}`];
  return {
    ...parent,
    config,
    variables: new Map([...parent.variables, ...variablesOf(config.Env)]),
    cwd: config.WorkingDir ? absolute('/', config.WorkingDir) : parent.cwd,
    cmdSet: false,
  };
}

/** The shell of shell-form commands. */
export function shellOf(state: StageState): readonly string[] {
  return state.config.Shell ?? DEFAULT_SHELL;
}

/** Joins a path to a working directory and cleans it; always absolute, without a trailing slash. */
export function absolute(cwd: string, path: string): string {
  const parts: string[] = [];
  for (const part of (path.startsWith('/') ? path : `${cwd}/${path}`).split('/')) {
    if (part === '' || part === '.') continue;
    if (part === '..') parts.pop();
    else parts.push(part);
  }
  return `/${parts.join('/')}`;
}

/** The state with another history entry; `vertex` when the instruction makes a layer. */
export function withHistory(state: StageState, createdBy: string, vertex?: VertexId): StageState {
  const entry: HistoryEntry =
    vertex === undefined ? { created_by: createdBy, empty_layer: true } : { created_by: createdBy };
  return {
    ...state,
    ...(vertex === undefined ? {} : { root: vertex }),
    history: [...state.history, vertex === undefined ? { entry } : { entry, vertex }],
  };
}

/** The state with changed config fields; a field set to undefined is dropped. */
export function withConfig(
  state: StageState,
  changes: { [K in keyof ContainerConfig]: ContainerConfig[K] | undefined },
): StageState {
  const merged = Object.entries({ ...state.config, ...changes }).filter(([, value]) => value !== undefined);
  return { ...state, config: Object.fromEntries(merged) as ContainerConfig };
}
