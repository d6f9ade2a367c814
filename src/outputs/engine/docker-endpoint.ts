import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Env } from './types.ts';

/** Where a docker engine may answer. */
export interface DockerEndpoint {
  /** `unix://…`, `tcp://…`, or what else the user has set. */
  readonly url: string;
  /** Directory with `ca.pem`, `cert.pem` and `key.pem`, where the connection is TLS. */
  readonly tlsDirectory?: string;
  /** `false` for a server whose certificate is not to be verified. */
  readonly verify?: boolean;
}

/**
 * Where docker's own command would look, in its order: `DOCKER_HOST`, the context that is in use, the usual sockets. The
 * first two stand alone when they are set.
 */
export function dockerEndpoints(env: Env): readonly DockerEndpoint[] {
  const configDirectory = env['DOCKER_CONFIG'] || (env['HOME'] ? join(env['HOME'], '.docker') : undefined);
  if (env['DOCKER_HOST']) {
    const tlsDirectory = env['DOCKER_CERT_PATH'] || configDirectory;
    const usesTls = Boolean(env['DOCKER_TLS_VERIFY'] || env['DOCKER_TLS']) && tlsDirectory !== undefined;
    return [
      { url: env['DOCKER_HOST'], ...(usesTls ? { tlsDirectory, verify: Boolean(env['DOCKER_TLS_VERIFY']) } : {}) },
    ];
  }
  const ofContext = configDirectory === undefined ? undefined : contextEndpoint(configDirectory, env);
  if (ofContext !== undefined) return [ofContext];
  return [
    '/var/run/docker.sock',
    ...(env['XDG_RUNTIME_DIR'] ? [join(env['XDG_RUNTIME_DIR'], 'docker.sock')] : []),
    ...(env['HOME'] ? [join(env['HOME'], '.docker/run/docker.sock')] : []),
  ].map((path) => ({ url: `unix://${path}` }));
}

interface ContextMeta {
  readonly Endpoints?: { readonly docker?: { readonly Host?: string; readonly SkipTLSVerify?: boolean } };
}

/** docker keeps a context under the SHA-256 of its name. */
function contextEndpoint(directory: string, env: Env): DockerEndpoint | undefined {
  const { currentContext } = readJson<{ readonly currentContext?: string }>(join(directory, 'config.json')) ?? {};
  const name = env['DOCKER_CONTEXT'] || currentContext;
  if (name === undefined || name === '' || name === 'default') return undefined;
  const id = createHash('sha256').update(name).digest('hex');
  const endpoint = readJson<ContextMeta>(join(directory, 'contexts/meta', id, 'meta.json'))?.Endpoints?.docker;
  if (!endpoint?.Host) return undefined;
  const tlsDirectory = join(directory, 'contexts/tls', id, 'docker');
  return {
    url: endpoint.Host,
    ...(existsSync(tlsDirectory) ? { tlsDirectory, verify: endpoint.SkipTLSVerify !== true } : {}),
  };
}

function readJson<T>(file: string): T | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as T;
  } catch {
    return undefined;
  }
}
