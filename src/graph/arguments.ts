import { formatPlatform, type Platform } from '../core/index.ts';

/** Proxy variables that every RUN gets when they are given as build args, outside cache keys and history. */
const PROXY_NAMES = ['HTTP_PROXY', 'HTTPS_PROXY', 'FTP_PROXY', 'NO_PROXY', 'ALL_PROXY'] as const;

/** Build args that need no `ARG` to have an effect. */
const CONTROL_NAMES = [
  'BUILDKIT_CACHE_MOUNT_NS',
  'BUILDKIT_CONTEXT_KEEP_GIT_DIR',
  'BUILDKIT_DOCKERFILE_CHECK',
  'BUILDKIT_INLINE_CACHE',
  'BUILDKIT_MULTI_PLATFORM',
  'BUILDKIT_SANDBOX_HOSTNAME',
  'BUILDKIT_SYNTAX',
  'SOURCE_DATE_EPOCH',
];

const isProxyName = (name: string): boolean => (PROXY_NAMES as readonly string[]).includes(name.toUpperCase());

/** True for build args that are known without being declared in the Dockerfile. */
export function isPredefinedArg(name: string): boolean {
  return isProxyName(name) || CONTROL_NAMES.includes(name) || name.startsWith('BUILDKIT_');
}

/** `NAME=value` for every proxy build arg, in both cases of the name. */
export function proxyEnv(buildArgs: Readonly<Record<string, string>>): readonly string[] {
  const values = new Map<string, string>();
  for (const [name, value] of Object.entries(buildArgs)) {
    if (!isProxyName(name)) continue;
    for (const spelling of [name.toUpperCase(), name.toLowerCase()]) {
      if (spelling === name || !values.has(spelling)) values.set(spelling, value);
    }
  }
  return [...values].map(([name, value]) => `${name}=${value}`).sort();
}

/** The arguments that the platform gives: usable in FROM, and in a stage after `ARG NAME`. */
export function platformArgs(target: Platform, host: Platform, targetStage: string): Readonly<Record<string, string>> {
  return {
    ...platformArgsFor('TARGET', target),
    ...platformArgsFor('BUILD', host),
    TARGETSTAGE: targetStage,
  };
}

function platformArgsFor(prefix: string, platform: Platform): Record<string, string> {
  return {
    [`${prefix}PLATFORM`]: formatPlatform(platform),
    [`${prefix}OS`]: platform.os,
    [`${prefix}OSVERSION`]: platform.osVersion ?? '',
    [`${prefix}ARCH`]: platform.architecture,
    [`${prefix}VARIANT`]: platform.variant ?? '',
  };
}
