import { realpathSync } from 'node:fs';
import { isAbsolute, relative, resolve } from 'node:path';
import type { BakeTargetRequest } from '../../backends/index.ts';
import type { BakeTarget } from '../../bake/index.ts';
import { BuildError } from '../../core/index.ts';
import { parseRights } from './parse-run-options.ts';

/** What `--allow` lets the files of a bake ask for. */
export interface Grants {
  /** As of `zlayer build --allow`. */
  readonly rights: readonly string[];
  readonly ssh: boolean;
  /** Paths beside the current directory; `*` is every path. */
  readonly reads: readonly string[];
  readonly writes: readonly string[];
}

/** Reads `--allow` as buildx bake does: rights, `ssh`, `fs=PATH`, `fs.read=PATH`, `fs.write=PATH`. @throws BuildError `USAGE` */
export function parseGrants(texts: readonly string[]): Grants {
  const words = texts.flatMap((text) => text.split(',')).map((text) => text.trim());
  const paths = (...kinds: readonly string[]): readonly string[] =>
    words.flatMap((word) => {
      const kind = kinds.find((each) => word.startsWith(`${each}=`));
      return kind === undefined ? [] : [word.slice(kind.length + 1)];
    });
  const rights = words.filter((word) => word !== 'ssh' && !/^fs(?:\.read|\.write)?=/.test(word));
  return {
    rights: rights.flatMap(parseRights),
    ssh: words.includes('ssh'),
    reads: paths('fs', 'fs.read'),
    writes: paths('fs', 'fs.write'),
  };
}

/** A target with the request that it means. */
export interface AskingTarget {
  readonly name: string;
  readonly target: BakeTarget;
  readonly request: BakeTargetRequest;
}

/** Where the files are run. */
export interface GrantPlace {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/**
 * Refuses files that ask for more than is granted: they may come from somebody else. `BUILDX_BAKE_ENTITLEMENTS_FS=0` lets them
 * use every path, as in buildx.
 *
 * @throws BuildError `NOT_ALLOWED`, with everything that is asked for and how to grant it.
 */
export function requireGrants(targets: readonly AskingTarget[], grants: Grants, place: GrantPlace): void {
  const missing = targets.flatMap(({ name, target, request }) => [
    ...rightsOf(target, grants).map((right) => ({ name, what: right, grant: right })),
    ...pathsOf(request, grants, place).map(({ kind, path }) => ({
      name,
      what: `to ${kind === 'fs.read' ? 'read' : 'write'} ${path}`,
      grant: `${kind}=${path}`,
    })),
  ]);
  if (missing.length === 0) return;
  const asked = missing.map(({ name, what }) => `${name} asks for ${what}`).join(', ');
  const options = [...new Set(missing.map(({ grant }) => `--allow ${grant}`))].join(' ');
  throw new BuildError('NOT_ALLOWED', `The files ask for more than is granted: ${asked}.`, {
    hint: `Where you trust them, add: ${options}`,
  });
}

function rightsOf({ entitlements = [], network, ssh = [] }: BakeTarget, grants: Grants): readonly string[] {
  const wanted = new Set([...entitlements, ...(network === 'host' ? ['network.host'] : [])]);
  const isGranted = (right: string): boolean =>
    grants.rights.includes(right) || (right.startsWith('device=') && grants.rights.includes('device'));
  return [...[...wanted].filter((right) => !isGranted(right)), ...(ssh.length > 0 && !grants.ssh ? ['ssh'] : [])];
}

interface UsedPath {
  readonly kind: 'fs.read' | 'fs.write';
  readonly path: string;
}

function pathsOf(request: BakeTargetRequest, { reads, writes }: Grants, { cwd, env }: GrantPlace): readonly UsedPath[] {
  if (env['BUILDX_BAKE_ENTITLEMENTS_FS'] === '0') return [];
  const outside = (paths: readonly string[], granted: readonly string[]): readonly string[] => {
    if (granted.includes('*')) return [];
    const roots = [cwd, ...granted].map((path) => realPath(resolve(cwd, path)));
    const used = new Set(paths.map((path) => realPath(resolve(cwd, path))));
    return [...used].filter((path) => !roots.some((root) => isBelow(path, root)));
  };
  return [
    ...outside(readPaths(request), reads).map((path) => ({ kind: 'fs.read', path }) as const),
    ...outside(writtenPaths(request), writes).map((path) => ({ kind: 'fs.write', path }) as const),
  ];
}

const REMOTE = /^(?:[a-z+]+:\/\/|[\w.-]+@[\w.-]+:|target:|input:)/;

function readPaths(request: BakeTargetRequest): readonly string[] {
  const { context, dockerfile, buildContexts = {}, secrets = {}, cacheFrom = [], cacheMountsFrom = [] } = request;
  const isLocal = context.kind === 'directory';
  return [
    ...(isLocal ? [context.path] : []),
    ...(isLocal && dockerfile?.kind === 'path' ? [dockerfile.path] : []),
    ...Object.values(buildContexts).flatMap((value) => {
      if (value.startsWith('oci-layout://')) return [value.slice('oci-layout://'.length).replace(/[:@][^/]*$/, '')];
      return REMOTE.test(value) ? [] : [value];
    }),
    ...Object.values(secrets).flatMap((secret) => (secret.kind === 'file' ? [secret.path] : [])),
    ...[...cacheFrom, ...cacheMountsFrom].flatMap((cache) => (cache.kind === 'local' ? [cache.directory] : [])),
  ];
}

function writtenPaths({ outputs = [], cacheTo = [], cacheMountsTo = [] }: BakeTargetRequest): readonly string[] {
  return [
    ...outputs.flatMap((output) => ('destination' in output && output.destination !== '-' ? [output.destination] : [])),
    ...[...cacheTo, ...cacheMountsTo].flatMap((cache) => (cache.kind === 'local' ? [cache.directory] : [])),
  ];
}

/** Without symbolic links, as far as it is there. */
function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    const parent = resolve(path, '..');
    return parent === path ? path : resolve(realPath(parent), relative(parent, path));
  }
}

function isBelow(path: string, root: string): boolean {
  const from = relative(root, path);
  return from === '' || (!from.startsWith('..') && !isAbsolute(from));
}
