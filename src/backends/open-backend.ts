import type { RunContext } from '../core/index.ts';
import type { BackendDeps } from './backend-deps.ts';
import { createBackend } from './create-backend.ts';
import { lacksIsolation } from './native/open-executor.ts';
import { factsOfHost, type HostFacts, variableOf } from './selection/host-facts.ts';
import type { BackendKind, ImageOs } from './selection/kinds.ts';
import type { BackendChoice, Selection } from './selection/select-backend.ts';
import type { BuildBackend } from './types.ts';

/** A backend, and why it was chosen. */
export interface OpenedBackend {
  readonly backend: BuildBackend;
  readonly selection: Selection;
  /** Nobody was asked: the default was taken for able to work. */
  readonly presumed: boolean;
}

/**
 * Chooses a backend by option, `ZLAYER_BACKEND` or the matrix of this host, and makes it. Nothing is spawned or dialled but
 * by a candidate that is asked whether it can work, and that one is used when it can. Our own engine on Linux is not even
 * asked, unless it was found wanting with this store before: what tries the isolation of steps is the first step.
 *
 * @throws BuildError as `selectBackend` does.
 */
export async function openBackend(
  deps: BackendDeps,
  choice: BackendChoice,
  context: RunContext,
): Promise<OpenedBackend> {
  const host = factsOfHost(deps.env);
  const made = new Map<BackendKind, BuildBackend>();
  const backendOf = async (kind: BackendKind): Promise<BuildBackend> => {
    const backend = made.get(kind) ?? (await createBackend(deps, kind));
    made.set(kind, backend);
    return backend;
  };
  const presumed = isPlain(choice, host) && !lacksIsolation(deps.store.root);
  const selection = presumed
    ? PLAIN
    : await (await import('./selection/select-backend.ts')).selectBackend(
        async (kind) => (await backendOf(kind)).isAvailable(context),
        choice,
        host,
      );
  const backend = await backendOf(selection.backend);
  for (const other of made.values()) if (other !== backend) await other.close();
  warnOfPassedOver(selection, context);
  return { backend, selection, presumed };
}

const PLAIN: Selection = {
  backend: 'native',
  origin: 'automatic',
  reason: 'Steps can be isolated without any other program.',
  passedOver: [],
};

/** Almost every build: decided without loading the rules. */
function isPlain({ backend, os }: BackendChoice, { platform, env }: HostFacts): boolean {
  const isNamed = backend !== undefined || variableOf(env, 'ZLAYER_BACKEND') !== undefined;
  return platform === 'linux' && os === 'linux' && !isNamed && variableOf(env, 'ZLAYER_BUILDD_ADDR') === undefined;
}

/** A backend that should have built and cannot is worth a word: somebody counts on it. */
function warnOfPassedOver({ backend, passedOver }: Selection, { emit }: RunContext): void {
  for (const { backend: other, reasons } of passedOver) {
    emit({
      kind: 'warning',
      time: Date.now(),
      code: 'BACKEND_PASSED_OVER',
      message: `${backend} builds, because ${other} cannot: ${reasons.join(' ').replace(/\.$/, '')}.`,
      hint: `Name the backend that must build with --backend ${other}.`,
    });
  }
}

/** The operating system of the images of a request. @throws BuildError `USAGE` for one that no backend builds for. */
export async function imageOsOf(platform: string | undefined): Promise<ImageOs> {
  if (platform === undefined || /^linux(\/|$)/.test(platform)) return 'linux';
  return (await import('./selection/image-os.ts')).readImageOs(platform);
}
