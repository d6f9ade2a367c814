import { existsSync } from 'node:fs';
import { BuildError, type RunContext } from '../../core/index.ts';
import { createDockerApi } from './docker-api.ts';
import { type DockerEndpoint, dockerEndpoints } from './docker-endpoint.ts';
import { loadIntoContainerd } from './load-containerd.ts';
import { loadIntoDocker } from './load-docker.ts';
import { loadIntoPodman } from './load-podman.ts';
import { findProgram, runProgram } from './run-program.ts';
import { ENGINE_KINDS, type Engine, type EngineKind, type Env, type FoundEngine } from './types.ts';

/**
 * The engine of this host that images are handed to: the one of that kind, else the first that answers of docker, podman and
 * containerd.
 *
 * @throws BuildError `HOST_LACKS`, saying everything that was looked for.
 */
export async function findEngine(
  { kind, env }: { readonly kind?: EngineKind | undefined; readonly env: Env },
  context: RunContext,
): Promise<Engine> {
  const missing: string[] = [];
  for (const each of kind === undefined ? ENGINE_KINDS : [kind]) {
    const found = await SEARCHES[each](env, context);
    if ('engine' in found) return found.engine;
    missing.push(found.missing);
  }
  const what = kind ?? 'docker, podman or containerd';
  throw new BuildError('HOST_LACKS', `The image cannot be loaded: there is no ${what} here. ${missing.join('; ')}.`, {
    hint: 'Without --load the image is in the store of zlayer; -o type=docker,dest=FILE writes what `docker load` reads.',
  });
}

const SEARCHES: Readonly<Record<EngineKind, (env: Env, context: RunContext) => Promise<FoundEngine>>> = {
  docker: findDocker,
  podman: findPodman,
  containerd: findContainerd,
};

async function findDocker(env: Env, context: RunContext): Promise<FoundEngine> {
  const reasons: string[] = [];
  for (const endpoint of dockerEndpoints(env)) {
    const reason = await whySilent(endpoint, context);
    if (reason !== undefined) {
      reasons.push(`${endpoint.url} (${reason})`);
      continue;
    }
    const api = createDockerApi(endpoint);
    const name = `docker at ${endpoint.url}`;
    return {
      engine: { kind: 'docker', name, load: (deps, image, inner) => loadIntoDocker({ ...deps, api }, image, inner) },
    };
  }
  return { missing: `docker: no engine at ${reasons.join(', ')}` };
}

/** Why no engine answers there; undefined where one does. */
async function whySilent(endpoint: DockerEndpoint, context: RunContext): Promise<string | undefined> {
  const socket = /^unix:\/\/(.+)$/.exec(endpoint.url)?.[1];
  if (socket !== undefined && !existsSync(socket)) return 'there is no such socket';
  try {
    await createDockerApi(endpoint).get('/version', context);
    return undefined;
  } catch (error) {
    if (error instanceof BuildError && error.code === 'CANCELLED') throw error;
    const { message, cause } = error as Error;
    return cause instanceof Error ? cause.message : message.replace(/\.$/, '');
  }
}

async function findPodman(env: Env): Promise<FoundEngine> {
  const program = findProgram('podman', env);
  if (program === undefined) return { missing: 'podman: no such command on PATH' };
  const podman = { program, env };
  return {
    engine: {
      kind: 'podman',
      name: 'podman',
      load: (deps, image, inner) => loadIntoPodman({ ...deps, podman }, image, inner),
    },
  };
}

const CONTAINERD_SOCKET = '/run/containerd/containerd.sock';

async function findContainerd(env: Env, context: RunContext): Promise<FoundEngine> {
  const address = env['CONTAINERD_ADDRESS'] || CONTAINERD_SOCKET;
  const program = findProgram('ctr', env);
  if (program === undefined) return { missing: 'containerd: no command ctr on PATH' };
  if (!existsSync(address)) return { missing: `containerd: no socket at ${address}` };
  const ctr = { program, address, namespace: env['CONTAINERD_NAMESPACE'] || 'default', env };
  try {
    await runProgram({ program, env, args: ['--address', address, 'version'] }, context);
  } catch (error) {
    if (error instanceof BuildError && error.code === 'CANCELLED') throw error;
    return { missing: `containerd: ${address} does not answer (${(error as Error).message.replace(/\.$/, '')})` };
  }
  return {
    engine: {
      kind: 'containerd',
      name: `containerd at ${address}`,
      load: (deps, image, inner) => loadIntoContainerd({ ...deps, ctr }, image, inner),
    },
  };
}
