import type { RunContext } from '../../core/index.ts';
import type { NamedImage, OutputDeps } from '../types.ts';

/** What runs containers and keeps images of its own. */
export const ENGINE_KINDS = ['docker', 'podman', 'containerd'] as const;

export type EngineKind = (typeof ENGINE_KINDS)[number];

/** Variables of the environment. */
export type Env = Readonly<Record<string, string | undefined>>;

/** An engine that answers on this host. */
export interface Engine {
  readonly kind: EngineKind;
  /** For people, such as `docker at unix:///var/run/docker.sock`. */
  readonly name: string;
  /**
   * Brings an image to the engine under its names; of layers that it has, nothing is sent as far as it lets us know.
   *
   * @throws BuildError `OUTPUT_FAILED`, `PLATFORM_NOT_FOUND`, `CANCELLED`.
   */
  load(deps: OutputDeps, image: NamedImage, context: RunContext): Promise<void>;
}

/** An engine, or what was looked for in vain: half a sentence. */
export type FoundEngine = { readonly engine: Engine } | { readonly missing: string };
