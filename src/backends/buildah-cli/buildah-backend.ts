import { rm } from 'node:fs/promises';
import { BuildError, type RunContext, toBuildError } from '../../core/index.ts';
import type { Store } from '../../store/index.ts';
import type { LendRegistry } from '../open-registry.ts';
import type { Env } from '../selection/host-facts.ts';
import type { Availability, BuildBackend } from '../types.ts';
import { capabilitiesOf, LEAST_FACTS } from './capabilities.ts';
import { type ChosenIsolation, chooseIsolation } from './isolation.ts';
import { type BadPair, findBadPair } from './known-pairs.ts';
import { type BuildahStorage, openBuildah } from './open-buildah.ts';
import type { Buildah } from './run-buildah.ts';
import { readStorageVariable } from './storage-variable.ts';
import { formatVersion } from './version.ts';

export interface BuildahDeps {
  /** For contexts, downloads, caches and temporary files; images are in buildah's own storage. */
  readonly store: Store;
  readonly registry: LendRegistry;
  readonly env: Env;
  /** Default: what `ZLAYER_BUILDAH_STORAGE` says, else buildah's configuration. */
  readonly storage?: BuildahStorage;
}

/** What is known of this host's buildah once it was asked. */
interface Known {
  readonly buildah: Buildah;
  readonly chosen: ChosenIsolation;
  readonly badPair: BadPair | undefined;
}

/**
 * The backend that drives the program buildah, 1.28 or later. It is looked for when the first method is called; its
 * `capabilities` are those of the least buildah until `isAvailable` or a build has found out more.
 */
export function createBuildahBackend(deps: BuildahDeps): BuildBackend {
  const uid = process.getuid?.() ?? 0;
  let finding: Promise<Buildah> | undefined;
  let asking: Promise<Known> | undefined;
  let known: Known | undefined;

  const buildahOf = (context: RunContext): Promise<Buildah> => {
    finding ??= findBuildah(deps, context).catch((error: unknown) => {
      finding = undefined;
      throw error;
    });
    return finding;
  };
  const ask = (context: RunContext): Promise<Known> => {
    asking ??= learn(buildahOf(context), uid, context).catch((error: unknown) => {
      asking = undefined;
      throw error;
    });
    return asking;
  };
  const know = async (context: RunContext): Promise<Known> => {
    known = await ask(context);
    return known;
  };
  /** With a directory for the temporary files of one operation. */
  const within = async <T>(
    context: RunContext,
    work: (operation: { readonly buildah: Buildah; readonly workDir: string }) => Promise<T>,
  ): Promise<T> => {
    const buildah = await buildahOf(context);
    const workDir = await deps.store.makeTempDir('buildah-');
    try {
      return await work({ buildah, workDir });
    } finally {
      await rm(workDir, { recursive: true, force: true });
    }
  };
  return {
    name: 'buildah-cli',
    get capabilities() {
      return capabilitiesOf(
        known === undefined ? LEAST_FACTS : { version: known.buildah.version, isolation: known.chosen.isolation },
      );
    },
    isAvailable: async (context) => availabilityOf(() => know(context)),
    buildImage: async (loaded, context) => {
      const { buildah, chosen } = await know(context);
      const { buildImage } = await import('./build-image.ts');
      return buildImage({ buildah, isolation: chosen.isolation, store: deps.store, uid }, loaded, context);
    },
    planImage: async () => {
      throw new BuildError('UNSUPPORTED', `The backend buildah-cli cannot plan: ${capabilitiesOf(LEAST_FACTS).plan}.`, {
        hint: 'Use --backend native.',
      });
    },
    pushImage: (input, context) =>
      within(context, async (operation) =>
        (await import('./push-image.ts')).pushImage({ ...operation, registry: deps.registry }, input, context),
      ),
    tagImage: (input, context) =>
      within(context, async (operation) => (await images()).tagImage(operation, input, context)),
    listImages: (context) => within(context, async (operation) => (await images()).listImages(operation, context)),
    inspectImage: (image, context) =>
      within(context, async (operation) => (await images()).inspectImage(operation, image, context)),
    removeImage: (reference, context) =>
      within(context, async (operation) => (await images()).removeImage(operation, reference, context)),
    exportImage: (input, context) =>
      within(context, async (operation) => (await import('./export-image.ts')).exportImage(operation, input, context)),
    prune: (options, context) =>
      within(context, async (operation) => (await images()).prune(operation, options, context)),
    manifestCreate: ({ list }, context) =>
      within(context, async (operation) => (await lists()).createList(operation, list, context)),
    manifestAdd: (input, context) =>
      within(context, async (operation) => (await lists()).addToList(operation, input, context)),
    manifestRemove: (input, context) =>
      within(context, async (operation) => (await lists()).removeFromList(operation, input, context)),
    manifestInspect: (list, context) =>
      within(context, async (operation) => (await lists()).inspectList(operation, list, context)),
    manifestPush: (input, context) =>
      within(context, async (operation) =>
        (await lists()).pushList({ ...operation, registry: deps.registry }, input, context),
      ),
    close: async () => undefined,
  };
}

const images = () => import('./image-operations.ts');
const lists = () => import('./manifest-list.ts');

async function findBuildah(deps: BuildahDeps, context: RunContext): Promise<Buildah> {
  const storage = deps.storage ?? readStorageVariable(deps.env);
  return openBuildah({ ...deps, ...(storage === undefined ? {} : { storage }) }, context);
}

async function learn(finding: Promise<Buildah>, uid: number, context: RunContext): Promise<Known> {
  const buildah = await finding;
  const [chosen, badPair] = await Promise.all([chooseIsolation(buildah, uid, context), findBadPair(buildah)]);
  return { buildah, chosen, badPair };
}

async function availabilityOf(ask: () => Promise<Known>): Promise<Availability> {
  try {
    const { buildah, chosen, badPair } = await ask();
    const passedOver = chosen.passedOver.map(({ isolation, reason }) => `; not ${isolation}: ${reason}`).join('');
    const networks = badPair === undefined ? '' : `; ${badPair.what}: builds use the network of the host, or none`;
    const program = `buildah ${formatVersion(buildah.version)} (${buildah.path})`;
    return { available: true, details: `${program}, isolation ${chosen.isolation}${passedOver}${networks}` };
  } catch (thrown) {
    const { message, hint } = toBuildError(thrown);
    return { available: false, reasons: [hint === undefined ? message : `${message} ${hint}`] };
  }
}
