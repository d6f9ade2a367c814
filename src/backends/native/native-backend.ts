import type { RunContext } from '../../core/index.ts';
import type { Store } from '../../store/index.ts';
import type { Together } from '../backend-deps.ts';
import { type LendRegistry, withRegistry } from '../open-registry.ts';
import type { BuildBackend, BuildRequest } from '../types.ts';
import { buildImage, planImage } from './build-image.ts';
import { NATIVE_CAPABILITIES } from './native-capabilities.ts';
import type { BuildDeps } from './solve-request.ts';
import { createWorkbenches } from './workbenches.ts';

export interface NativeDeps {
  readonly store: Store;
  readonly registry: LendRegistry;
  /** The builds of this object are one piece of work. */
  readonly together?: Together;
}

/** The backend that executes Dockerfiles itself. Images stay in its store. What a build does not need is loaded when it is asked for. */
export function createNativeBackend(deps: NativeDeps): BuildBackend {
  const { store, registry, together } = deps;
  const benches = createWorkbenches(store, together);
  const { fetching } = benches;
  const withSignIns = <T>(
    { credentials }: Pick<BuildRequest, 'credentials'>,
    work: (buildDeps: BuildDeps) => Promise<T>,
  ): Promise<T> =>
    withRegistry(registry, credentials, (client) =>
      benches.use((bench) => work({ store, registry: client, fetching, bench })),
    );
  return {
    name: 'native',
    capabilities: NATIVE_CAPABILITIES,
    isAvailable: async (context: RunContext) => (await import('./probe-native.ts')).probeNative(store, context),
    buildImage: (loaded, context) => withSignIns(loaded.request, (own) => buildImage(own, loaded, context)),
    planImage: (loaded, context) => withSignIns(loaded.request, (own) => planImage(own, loaded, context)),
    exportImage: async (input, context) => (await import('./export-image.ts')).exportImage(store, input, context),
    pushImage: async (input, context) => (await import('./push-image.ts')).pushImage(deps, input, context),
    tagImage: async (input) => (await images()).tagImage(store, input),
    listImages: async () => (await images()).listImages(store),
    inspectImage: async (image) => (await images()).inspectImage(store, image),
    removeImage: async (reference) => {
      await store.images.untag(reference);
    },
    prune: (options) => store.prune(options),
    manifestCreate: async ({ list }) => (await import('./manifest-list.ts')).createManifestList(store, list),
    manifestAdd: async (input, context) => (await manifests()).addToManifestList(deps, input, context),
    manifestRemove: async (input) => (await manifests()).removeFromManifestList(store, input),
    manifestInspect: async (list) => (await manifests()).inspectManifestList(store, list),
    manifestPush: async (input, context) => (await manifests()).pushManifestList(deps, input, context),
    close: () => benches.close(),
  };
}

const images = () => import('./image-operations.ts');
const manifests = () => import('./manifest-operations.ts');
