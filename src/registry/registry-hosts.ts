import { join } from 'node:path';
import { type CredentialOptions, homeOf } from './auth-file.ts';
import { readCertificates } from './certificate-directories.ts';
import { type RegistriesConfPlaces, readRegistriesConf, readShortNames, type ShortNames } from './registries-conf.ts';
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
  const places = placesOf(options);
  const { userDirectory, systemDirectory } = places;
  const [rules, certificates] = await Promise.all([
    readRegistriesConf(places),
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

/**
 * What names without a registry mean to the tools of containers on this machine.
 *
 * @throws BuildError `REGISTRY_CONFIG_INVALID` when a file cannot be understood.
 */
export function loadShortNames(options: RegistryHostsOptions): Promise<ShortNames> {
  return readShortNames(placesOf(options));
}

function placesOf(options: RegistryHostsOptions): RegistriesConfPlaces {
  const { env, systemRoot = '' } = options;
  return {
    env,
    userDirectory: join(env.XDG_CONFIG_HOME || join(homeOf(options), '.config'), 'containers'),
    systemDirectory: join(systemRoot, '/etc/containers'),
  };
}
