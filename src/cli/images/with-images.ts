import { type BackendKind, type BuildBackend, lacksIsolation } from '../../backends/index.ts';
import { BuildError, type RunContext } from '../../core/index.ts';
import type { Store } from '../../store/index.ts';
import type { CommandContext } from '../command.ts';
import { readBackend } from '../options/read-backend.ts';

/** What of a command's options says whose images are meant. */
export interface ImagesOptions {
  readonly backend: string | undefined;
  readonly 'data-dir': string | undefined;
}

/** The two ways of an image command. */
export interface ImagesWork<T> {
  /** On the local store, where native keeps its images. */
  readonly inStore: (store: Store) => Promise<T>;
  /** On the images of another backend. */
  readonly inBackend: (backend: BuildBackend, context: RunContext) => Promise<T>;
}

/**
 * Works where the images are of the backend that a build would take. The local store is read directly: almost every command
 * starts without any backend.
 */
export async function withImages<T>(
  context: CommandContext,
  options: ImagesOptions,
  { inStore, inBackend }: ImagesWork<T>,
): Promise<T> {
  const { services, signal } = context;
  const kind = await readBackend(options.backend);
  const dataDir = options['data-dir'];
  if (isLocal(kind, context.env)) {
    const store = await services.openStore(dataDir);
    if (kind === 'native' || !lacksIsolation(store.root)) return inStore(store);
  }
  return services.withBackend(
    { backend: kind, dataDir },
    { signal, onEvent: () => undefined },
    async (backend, inner) =>
      backend.name === 'native' ? inStore(await services.openStore(dataDir)) : inBackend(backend, inner),
  );
}

function isLocal(kind: BackendKind | undefined, env: CommandContext['env']): boolean {
  if (kind !== undefined) return kind === 'native';
  const isNamed = ['ZLAYER_BACKEND', 'ZLAYER_BUILDD_ADDR'].some((name) => (env[name] ?? '').trim() !== '');
  return process.platform === 'linux' && !isNamed;
}

/**
 * Lets a command go on that works on the local store alone.
 *
 * @throws BuildError `UNSUPPORTED` where an option or a variable names another backend.
 */
export async function requireStore(
  { services, env }: CommandContext,
  option: string | undefined,
  operation: string,
): Promise<void> {
  const backend = await readBackend(option);
  if (backend === undefined && (env['ZLAYER_BACKEND'] ?? '').trim() === '') return;
  await services.requireNative({ backend, operation });
}

/** The error for an option that works on the local store alone. */
export function onlyInStore(option: string, { name }: BuildBackend): BuildError {
  return new BuildError(
    'UNSUPPORTED',
    `${option} works on the local store alone, and the backend ${name} keeps its images elsewhere.`,
    {
      hint: 'Use --backend native for the images of the local store.',
    },
  );
}
