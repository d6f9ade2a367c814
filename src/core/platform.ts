import { BuildError } from './errors.ts';

/** An image platform in Go's spelling (image-spec, image-index.md): `linux/arm64`, `linux/arm/v7`, `windows/amd64`. */
export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
  readonly osVersion?: string;
}

const ARCHITECTURES: Readonly<Record<string, { readonly architecture: string; readonly variant?: string }>> = {
  x86_64: { architecture: 'amd64' },
  'x86-64': { architecture: 'amd64' },
  x64: { architecture: 'amd64' },
  aarch64: { architecture: 'arm64' },
  armhf: { architecture: 'arm', variant: 'v7' },
  armel: { architecture: 'arm', variant: 'v6' },
  i386: { architecture: '386' },
  ia32: { architecture: '386' },
  ppc64el: { architecture: 'ppc64le' },
};

const COMPONENT = /^[A-Za-z0-9_.-]+$/;

/** The canonical spelling of a platform: lower case, `arm` gets variant `v7`, `arm64` and `amd64` drop `v8` and `v1`. */
export function normalizePlatform(platform: Platform): Platform {
  const name = platform.architecture.toLowerCase();
  const alias = ARCHITECTURES[name];
  const architecture = alias?.architecture ?? name;
  let variant = platform.variant?.toLowerCase() || alias?.variant;
  if (variant !== undefined && /^\d+$/.test(variant)) variant = `v${variant}`;
  if (architecture === 'arm') variant ??= 'v7';
  if ((architecture === 'arm64' && variant === 'v8') || (architecture === 'amd64' && variant === 'v1')) {
    variant = undefined;
  }
  return {
    os: platform.os.toLowerCase() === 'macos' ? 'darwin' : platform.os.toLowerCase(),
    architecture,
    ...(variant === undefined ? {} : { variant }),
    ...(platform.osVersion === undefined ? {} : { osVersion: platform.osVersion }),
  };
}

/**
 * Reads `os/arch[/variant]`, or one word: an operating system or an architecture, completed from `host`.
 *
 * @throws BuildError `USAGE` when the text is no platform.
 */
export function parsePlatform(text: string, host: Platform): Platform {
  const parts = text.split('/');
  if (parts.length > 3 || !parts.every((part) => COMPONENT.test(part))) {
    throw new BuildError('USAGE', `"${text}" is not a platform.`, {
      hint: 'Write it as os/arch or os/arch/variant, such as linux/amd64 or linux/arm/v7.',
    });
  }
  const [first = '', architecture, variant] = parts;
  if (architecture !== undefined) {
    return normalizePlatform({ os: first, architecture, ...(variant === undefined ? {} : { variant }) });
  }
  if (first === 'local') return host;
  return ['linux', 'windows', 'darwin', 'freebsd'].includes(first.toLowerCase())
    ? normalizePlatform({ ...host, os: first })
    : normalizePlatform({ os: host.os, architecture: first });
}

/** `os/arch[/variant]`. */
export function formatPlatform(platform: Platform): string {
  const { os, architecture, variant } = platform;
  return [os, architecture, variant].filter((part) => part !== undefined && part !== '').join('/');
}

/**
 * How well an image for `have` serves a wish for `want`: 0 not at all, higher is better. An arm image of an older variant
 * serves a newer one; nothing else is interchangeable.
 */
export function platformScore(want: Platform, have: Platform): number {
  const wanted = normalizePlatform(want);
  const offered = normalizePlatform(have);
  if (wanted.os !== offered.os || wanted.architecture !== offered.architecture) return 0;
  if (wanted.variant === offered.variant) return 100;
  if (wanted.architecture === 'arm') {
    const wantedVersion = Number(wanted.variant?.slice(1));
    const offeredVersion = Number(offered.variant?.slice(1));
    return offeredVersion < wantedVersion ? 10 + offeredVersion : 0;
  }
  return offered.variant === undefined ? 50 : 0;
}

/** The platform of a host from Node's `process.platform` and `process.arch`. */
export function platformOfHost(nodePlatform: string, nodeArch: string): Platform {
  return normalizePlatform({ os: nodePlatform === 'win32' ? 'windows' : nodePlatform, architecture: nodeArch });
}
