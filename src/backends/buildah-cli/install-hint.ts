import { readFile } from 'node:fs/promises';

const COMMANDS: Readonly<Record<string, string>> = {
  debian: 'apt install buildah',
  ubuntu: 'apt install buildah',
  fedora: 'dnf install buildah',
  rhel: 'dnf install buildah',
  centos: 'dnf install buildah',
  arch: 'pacman -S buildah',
  suse: 'zypper install buildah',
  opensuse: 'zypper install buildah',
  alpine: 'apk add buildah',
  gentoo: 'emerge app-containers/buildah',
  void: 'xbps-install buildah',
  nixos: 'nix-env -iA nixos.buildah',
};

/** How buildah is installed on the distribution that an `os-release` file tells. */
export function installHint(osRelease: string): string {
  const values = new Map<string, string>();
  for (const [, key = '', value = ''] of osRelease.matchAll(/^([A-Z_]+)="?([^"\n]*)"?$/gm)) values.set(key, value);
  const names = [values.get('ID') ?? '', ...(values.get('ID_LIKE') ?? '').split(' ')];
  const name = names.map((each) => each.replace(/-.*$/, '')).find((each) => each in COMMANDS);
  const command = name === undefined ? undefined : COMMANDS[name];
  const general =
    'Debian and Ubuntu: apt install buildah; Fedora and RHEL: dnf install buildah; Alpine: apk add buildah';
  return command === undefined ? `Install buildah 1.28 or later (${general}).` : `Install it: ${command}`;
}

/** The hint for this host. */
export async function readInstallHint(): Promise<string> {
  return installHint(await readFile('/etc/os-release', 'utf8').catch(() => ''));
}
