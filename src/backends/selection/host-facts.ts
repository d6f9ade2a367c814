/** Variables of an environment. */
export type Env = Readonly<Record<string, string | undefined>>;

/** What of a host decides who builds. A parameter everywhere, so that one host's rules are tested on another. */
export interface HostFacts {
  /** As `process.platform`. */
  readonly platform: string;
  /** As `process.arch`. */
  readonly architecture: string;
  readonly env: Env;
}

/** A family of hosts that behave alike. `unix`: any other. */
export type HostOs = 'linux' | 'macos' | 'windows' | 'unix';

/** What is read of this process. */
export function factsOfHost(env: Env = process.env): HostFacts {
  return { platform: process.platform, architecture: process.arch, env };
}

/** The family that a host belongs to. */
export function hostOsOf({ platform }: HostFacts): HostOs {
  if (platform === 'linux') return 'linux';
  if (platform === 'darwin') return 'macos';
  return platform === 'win32' ? 'windows' : 'unix';
}

/** How a host is called in messages. */
export function hostName(host: HostFacts): string {
  const names = { linux: 'Linux', macos: 'macOS', windows: 'Windows', unix: host.platform };
  return names[hostOsOf(host)];
}

/** The value of a variable; one that is set to nothing counts as unset, as docker's tools take it. */
export function variableOf(env: Env, name: string): string | undefined {
  const value = env[name];
  return value === undefined || value.trim() === '' ? undefined : value;
}
