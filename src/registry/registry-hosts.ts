import { join } from 'node:path';
import { type CredentialOptions, homeOf } from './auth-file.ts';
import { readCertificates } from './certificate-directories.ts';
import { readRegistriesConf } from './registries-conf.ts';
import type { RegistryHostOptions } from './types.ts';

/** Where the settings of registries are read from. */
export interface RegistryHostsOptions extends CredentialOptions {
  /** Prefix of the system's directories, for tests. Default: none. */
  readonly systemRoot?: string;
}

/**
 * How registries are reached on this machine: `registries.conf` (version 2, with its drop-in files) of containers, and the
 * `certs.d` directories of docker and containers. The user's files win over the system's.
 *
 * @throws BuildError `REGISTRY_CONFIG_INVALID` when a file cannot be understood.
 */
export async function loadRegistryHosts(
  options: RegistryHostsOptions,
): Promise<Readonly<Record<string, RegistryHostOptions>>> {
  const { env, systemRoot = '' } = options;
  const home = homeOf(options);
  const userDirectory = join(env.XDG_CONFIG_HOME || join(home, '.config'), 'containers');
  const systemDirectory = join(systemRoot, '/etc/containers');
  const [rules, certificates] = await Promise.all([
    readRegistriesConf({ env, userDirectory, systemDirectory }),
    readCertificates([
      join(systemRoot, '/etc/docker/certs.d'),
      join(systemDirectory, 'certs.d'),
      join(home, '.docker', 'certs.d'),
      join(env.XDG_CONFIG_HOME || join(home, '.config'), 'docker', 'certs.d'),
      join(userDirectory, 'certs.d'),
    ]),
  ]);
  const hosts = new Set([...Object.keys(rules), ...Object.keys(certificates)]);
  return Object.fromEntries([...hosts].map((host) => [host, { ...rules[host], ...certificates[host] }]));
}
