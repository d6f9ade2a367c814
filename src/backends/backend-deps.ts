import type { Store } from '../store/index.ts';
import type { LendRegistry } from './open-registry.ts';
import type { Env } from './selection/host-facts.ts';

/** Builds that are one piece of work. */
export interface Together {
  /** Steps run at once, for all of them. */
  readonly parallelism: number;
}

/** What backends are made of. Nothing is spawned, dialled or written before a method of a backend is called. */
export interface BackendDeps {
  /** Our store: native's images, and temporary directories of all. */
  readonly store: Store;
  /** Made when a registry is first needed. */
  readonly registry: LendRegistry;
  readonly env: Env;
  /**
   * The builds of a backend made of these are one piece of work: what several need is done once, also where caching is off,
   * and one limit holds for all. What they use is held until the backend is closed.
   */
  readonly together?: Together;
}
