import { formatReference, parseReference, platformOfHost, type RunContext } from '../core/index.ts';
import type { ContainerConfig } from '../oci/index.ts';
import type { RegistryClient } from '../registry/index.ts';
import type { ImportInput, LoadInput, LoginInput, MovedImage, Observed, SaveInput, Services } from './services.ts';

type Env = Readonly<Record<string, string | undefined>>;

/** The services of this process: every part of the house is loaded when it is first used. */
export function createServices(env: Env): Services {
  return {
    build: async (request, { signal, onEvent }) => (await backends()).build(request, { signal, onEvent }),
    bake: async (request, { signal, onEvent }) => (await backends()).bake(request, { signal, onEvent }),
    plan: async (request, { signal, onEvent }) => (await backends()).plan(request, { signal, onEvent }),
    check: async (request, { signal, onEvent }) => (await backends()).check(request, { signal, onEvent }),
    outline: async (request, { signal, onEvent }) => (await backends()).outline(request, { signal, onEvent }),
    targets: async (request, { signal, onEvent }) => (await backends()).targets(request, { signal, onEvent }),
    listContext: async (input) => (await backends()).listContext(input),
    pull: async ({ name, ...input }, observed) => {
      const { pull, withShortName } = await backends();
      return withShortName(name, async (candidate) => {
        const reference = parseReference(candidate);
        const { root } = await pull({ ...input, reference }, toContext(observed));
        return { reference: formatReference(reference), digest: root.digest };
      });
    },
    push: async (input, observed) => {
      const { reference, digest } = await (await backends()).push(input, toContext(observed));
      return { reference, digest };
    },
    copy: async (input, observed) => (await backends()).copyImage(input, observed),
    describeBackends: async ({ dataDir }, observed) => {
      const { describeBackends, withDeps } = await backends();
      const context = toContext(observed);
      return withDeps(dataDir, context, (deps) => describeBackends(deps, context));
    },
    withBackend: async (use, observed, work) => {
      const context = toContext(observed);
      return (await backends()).withBackend(use, context, ({ backend }) => work(backend, context));
    },
    requireNative: async (input) => (await backends()).requireNative(input, env),
    openStore,
    save,
    load,
    importRootfs,
    withRegistry,
    login: (input, observed) => login(env, input, observed),
    logout: async (registry) => (await import('../registry/index.ts')).eraseCredentials({ env }, registry),
  };
}

const backends = () => import('../backends/index.ts');

function toContext({ signal, onEvent }: Observed): RunContext {
  return { signal, emit: onEvent };
}

const UNOBSERVED: RunContext = { signal: new AbortController().signal, emit: () => undefined };

async function openStore(dataDir: string | undefined) {
  const store = await import('../store/index.ts');
  return store.openStore({
    root: dataDir ?? store.resolveDataDir(process.env, process.getuid?.() ?? 0),
    removeTree: async (path) => (await backends()).removeStoreTree(path, UNOBSERVED),
  });
}

async function save(input: SaveInput, observed: Observed): Promise<void> {
  const { saveImages } = await import('../outputs/index.ts');
  const store = await openStore(input.dataDir);
  const images = input.images.map(({ reference, descriptor }) => ({
    descriptor,
    references: reference === undefined ? [] : [reference],
  }));
  await input.write(saveImages({ store }, { images, format: input.format }, toContext(observed)));
}

async function load(input: LoadInput, observed: Observed): Promise<readonly MovedImage[]> {
  const { loadArchive } = await import('../outputs/index.ts');
  const images = await loadArchive({ store: await openStore(input.dataDir) }, input.bytes, toContext(observed));
  return images.flatMap(({ references, descriptor: { digest } }) => {
    const names: readonly (string | undefined)[] = references.length === 0 ? [undefined] : references;
    return names.map((reference): MovedImage => ({ reference, digest }));
  });
}

async function importRootfs(input: ImportInput, observed: Observed): Promise<MovedImage> {
  const outputs = await import('../outputs/index.ts');
  const reference = input.reference === undefined ? undefined : formatReference(input.reference);
  const platform = input.platform ?? platformOfHost(process.platform, process.arch);
  const { descriptor } = await outputs.importRootfs(
    { store: await openStore(input.dataDir) },
    {
      bytes: input.bytes,
      references: reference === undefined ? [] : [reference],
      platform,
      config: await configOf(input.changes),
      message: input.message,
    },
    toContext(observed),
  );
  return { reference, digest: descriptor.digest };
}

/** The config that `--change` instructions make. @throws BuildError `DOCKERFILE_*` */
async function configOf(changes: readonly string[]): Promise<ContainerConfig | undefined> {
  if (changes.length === 0) return undefined;
  return (await backends()).configOfChanges(changes);
}

async function withRegistry<T>(
  observed: Observed,
  work: (client: RegistryClient, context: RunContext) => Promise<T>,
): Promise<T> {
  const registry = (await backends()).openRegistry();
  try {
    return await work(await registry.client(), toContext(observed));
  } finally {
    await registry.close();
  }
}

/** Keeps a sign-in only after the registry has taken it. */
async function login(env: Env, input: LoginInput, observed: Observed): Promise<{ readonly storedIn: string }> {
  const { registry, credentials } = input;
  const client = await (await backends()).openRegistry().client({ [registry]: credentials });
  try {
    await client.ping(registry, toContext(observed));
  } finally {
    await client.close();
  }
  const { saveCredentials } = await import('../registry/index.ts');
  return saveCredentials({ env }, { registry, credentials });
}
