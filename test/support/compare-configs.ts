import type { Difference } from './differences.ts';
import type { Json } from './oci-layout.ts';

const IMAGE_FIELDS = ['architecture', 'os', 'variant', 'author'] as const;

const CONTAINER_FIELDS = [
  'User',
  'ExposedPorts',
  'Env',
  'Entrypoint',
  'Cmd',
  'Volumes',
  'WorkingDir',
  'Labels',
  'StopSignal',
  'Healthcheck',
  'Shell',
  'OnBuild',
] as const;

/**
 * Compares what a container gets from two image configs, field by field. Absent, null and empty mean the same, and so does
 * the order of keys. Not compared: `created` and the history's wording, which name the builder and its time.
 */
export function compareConfigs(ours: Json, theirs: Json): readonly Difference[] {
  const container = (config: Json): Json => (config.config ?? {}) as Json;
  return [
    ...IMAGE_FIELDS.map((field) => [field, ours[field], theirs[field]] as const),
    ...CONTAINER_FIELDS.map((field) => [`config.${field}`, container(ours)[field], container(theirs)[field]] as const),
  ].flatMap(([field, mine, other]) => {
    const pair = { ours: canonical(mine), theirs: canonical(other) };
    return pair.ours === pair.theirs ? [] : [{ path: 'config', field, ...pair }];
  });
}

/** What is wrong with a config by itself: history and layers must tell the same number of layers (image-spec, config.md). */
export function checkConfig(config: Json, layerCount: number): readonly string[] {
  const diffIds = (config.rootfs as { diff_ids?: unknown[] } | undefined)?.diff_ids?.length ?? 0;
  const history = (config.history ?? []) as ReadonlyArray<{ empty_layer?: boolean; created_by?: string }>;
  const layers = history.filter((entry) => entry.empty_layer !== true).length;
  return [
    ...(diffIds === layerCount ? [] : [`The config has ${diffIds} diff IDs, the manifest ${layerCount} layers.`]),
    ...(layers === layerCount ? [] : [`The history tells of ${layers} layers, the manifest has ${layerCount}.`]),
    ...history
      .filter((entry) => (entry.created_by ?? '') === '')
      .map((_, index) => `History entry ${index} does not tell what made it.`),
  ];
}

function canonical(value: unknown): string {
  if (value === undefined || value === null || value === '' || value === 0) return 'absent';
  if (Array.isArray(value))
    return value.length === 0 ? 'absent' : `[${value.map((each) => JSON.stringify(each)).join(', ')}]`;
  if (typeof value !== 'object') return JSON.stringify(value);
  const pairs = Object.entries(value)
    .map(([key, each]) => [key, isEmptyObject(each) ? '{}' : canonical(each)] as const)
    .filter(([, each]) => each !== 'absent')
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return pairs.length === 0 ? 'absent' : `{${pairs.map(([key, each]) => `${key}: ${each}`).join(', ')}}`;
}

function isEmptyObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && Object.keys(value).length === 0;
}
