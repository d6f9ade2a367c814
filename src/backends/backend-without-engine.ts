import { BuildError } from '../core/index.ts';
import { type Capabilities, FEATURES } from './needs/features.ts';
import type { BackendKind } from './selection/kinds.ts';
import type { BuildBackend } from './types.ts';

/** What is known of a backend whose engine this version does not have. */
export interface MissingEngine {
  readonly name: BackendKind;
  /** Why nothing can be done: a sentence without its full stop. */
  readonly reason: string;
  /** What to do instead. */
  readonly hint: string;
}

/** A backend that can be named and chosen, and says plainly that it cannot work. Every operation throws `UNSUPPORTED`. */
export function createBackendWithoutEngine({ name, reason, hint }: MissingEngine): BuildBackend {
  const refuse = async (): Promise<never> => {
    throw new BuildError('UNSUPPORTED', `The backend ${name} cannot be used: ${reason}.`, { hint });
  };
  return {
    name,
    capabilities: Object.fromEntries(Object.keys(FEATURES).map((feature) => [feature, reason])) as Capabilities,
    isAvailable: async () => ({ available: false, reasons: [reason] }),
    buildImage: refuse,
    planImage: refuse,
    pushImage: refuse,
    tagImage: refuse,
    listImages: refuse,
    inspectImage: refuse,
    removeImage: refuse,
    exportImage: refuse,
    prune: refuse,
    manifestCreate: refuse,
    manifestAdd: refuse,
    manifestRemove: refuse,
    manifestInspect: refuse,
    manifestPush: refuse,
    close: async () => undefined,
  };
}
