import type { Store } from '../store/index.ts';
import type { LendRegistry } from './open-registry.ts';
import type { Env } from './selection/host-facts.ts';

/** What backends are made of. Nothing is spawned, dialled or written before a method of a backend is called. */
export interface BackendDeps {
  /** Our store: native's images, and temporary directories of all. */
  readonly store: Store;
  /** Made when a registry is first needed. */
  readonly registry: LendRegistry;
  readonly env: Env;
}
