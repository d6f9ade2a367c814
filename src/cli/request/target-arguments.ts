import { isAbsolute, join } from 'node:path';
import type { BakeTarget } from '../../bake/index.ts';

const HERE = 'cwd://';

/** The command line of `zlayer build` that a target of a bake file stands for. */
export function toBuildArguments(target: BakeTarget): readonly string[] {
  const context = withoutScheme(target.context ?? '.');
  const contexts = Object.entries(target.contexts ?? {}).map(([name, value]) => `${name}=${withoutScheme(value)}`);
  return [
    ...each('annotation', target.annotations),
    ...each('build-arg', pairs(target.args)),
    ...each('cache-from', target['cache-from']),
    ...each('cache-to', target['cache-to']),
    ...each('cache-mounts-from', target['cache-mounts-from']),
    ...each('cache-mounts-to', target['cache-mounts-to']),
    ...each('build-context', contexts),
    ...each('allow', target.entitlements),
    ...each(
      'add-host',
      Object.entries(target['extra-hosts'] ?? {}).map(([name, address]) => `${name}:${address}`),
    ),
    ...each('label', pairs(target.labels)),
    ...each('network', target.network),
    ...each('no-cache-filter', target['no-cache-filter']),
    ...each('output', target.output),
    ...each('platform', target.platforms),
    ...each('secret', target.secret),
    ...each('shm-size', target['shm-size']),
    ...each('ssh', target.ssh),
    ...each('tag', target.tags),
    ...each('target', target.target),
    ...each('ulimit', target.ulimits),
    ...(target['no-cache'] === true ? ['--no-cache'] : []),
    ...(target.pull === true ? ['--pull'] : []),
    ...fileOf(target, context),
    '--',
    context,
  ];
}

function withoutScheme(path: string): string {
  return path.startsWith(HERE) ? path.slice(HERE.length) || '.' : path;
}

function each(option: string, values: string | readonly string[] | undefined): readonly string[] {
  const list = typeof values === 'string' ? [values] : (values ?? []);
  return list.map((value) => `--${option}=${value}`);
}

function pairs(record: Readonly<Record<string, string>> | undefined): readonly string[] {
  return Object.entries(record ?? {}).map(([name, value]) => `${name}=${value}`);
}

/** A bake file names the Dockerfile from the context on; the default is left to `zlayer build`, which finds a Containerfile too. */
function fileOf(target: BakeTarget, context: string): readonly string[] {
  const { dockerfile = 'Dockerfile' } = target;
  if (target['dockerfile-inline'] !== undefined || dockerfile === 'Dockerfile') return [];
  if (dockerfile.startsWith(HERE)) return [`--file=${withoutScheme(dockerfile)}`];
  const isRemote = /^(?:https?|git|ssh):\/\/|^[\w.-]+@/.test(context);
  return [`--file=${isRemote || isAbsolute(dockerfile) ? dockerfile : join(context, dockerfile)}`];
}
