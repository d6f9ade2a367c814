import { chainIdOf, digestOf, digestOfFields } from '../../core/index.ts';
import { contentDigestOf, type OpResult } from '../../engine/index.ts';
import { type CacheKey, canonicalJson, type ExecMount, type ExecOp } from '../../graph/index.ts';

/** Bump when a change of the engine makes the same step come out differently. */
const SEMANTICS = '1';

/**
 * The key of a RUN: command, environment, user, directory, mounts' definitions with the content of bind sources, network,
 * platform and the base's chain ID. Outside: proxies, addresses of extra hosts, values of secrets, content of caches.
 */
export function execKey(op: ExecOp, inputs: readonly OpResult[]): CacheKey {
  const parts: Record<string, string> = { base: identityOf(inputs[op.base]!, '/'), command: commandText(op) };
  for (const text of op.env) {
    const equals = text.indexOf('=');
    parts[`env ${text.slice(0, equals)}`] = text.slice(equals + 1);
  }
  parts['working directory'] = op.cwd;
  parts['user'] = op.user ?? '';
  parts['network'] = op.network;
  parts['security'] = op.security;
  parts['platform'] = op.platform;
  parts['hostname'] = op.hostname;
  parts['hosts'] = op.extraHosts.map((host) => host.name).join(' ');
  parts['limits'] = canonicalJson([op.shmSizeBytes ?? null, op.ulimits]);
  op.devices?.forEach(({ name, required }, index) => {
    parts[`device ${index + 1}`] = canonicalJson([name, required]);
  });
  op.mounts.forEach((mount, index) => {
    parts[`mount ${index + 1}`] = canonicalJson(definitionOf(mount));
    if (mount.kind === 'bind') parts[`files of mount ${mount.target}`] = identityOf(inputs[mount.input]!, mount.source);
    if (mount.kind === 'cache' && mount.input !== undefined) {
      parts[`seed of mount ${mount.target}`] = identityOf(inputs[mount.input]!, mount.source);
    }
  });
  return { key: keyOf('exec', parts), inputs: parts };
}

/** A key over named parts, framed so that no two different part lists share it. */
export function keyOf(kind: string, parts: Readonly<Record<string, string>>): string {
  return digestOfFields([['semantics', SEMANTICS], ['kind', kind], ...Object.entries(parts)]).slice('sha256:'.length);
}

function commandText(op: ExecOp): string {
  return op.script === undefined ? canonicalJson(op.args) : canonicalJson([op.args, digestOf(op.script)]);
}

/** A mount without the number of its input, which says nothing of what is mounted. */
function definitionOf(mount: ExecMount): unknown {
  if (mount.kind !== 'bind' && mount.kind !== 'cache') return mount;
  const { input: _input, ...definition } = mount;
  return definition;
}

/** Layers are known by their chain ID, trees by the content of the part that is mounted. */
function identityOf(result: OpResult, source: string): string {
  if (result.kind === 'layers') return chainIdOf(result.layers.map((layer) => layer.diffId)) ?? 'scratch';
  return contentDigestOf(result, source);
}
