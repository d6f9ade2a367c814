import type { ContainerConfig, Descriptor, HistoryEntry, ImageConfig, Index, Manifest } from './types.ts';

/** How a part of a document is written: its fields in order, and how their values are. */
interface Shape {
  readonly order: readonly string[];
  readonly parts?: Readonly<Record<string, Shape | 'sorted'>>;
}

/** Field orders are those of the Go structs of image-spec (specs-go/v1), which tools of the field write. */
const PLATFORM: Shape = { order: ['architecture', 'os', 'os.version', 'os.features', 'variant'] };
const DESCRIPTOR: Shape = {
  order: [
    'mediaType',
    'digest',
    'size',
    'urls',
    'annotations',
    'data',
    'platform',
    'artifactType',
  ] satisfies (keyof Descriptor)[],
  parts: { annotations: 'sorted', platform: PLATFORM },
};
const MANIFEST: Shape = {
  order: [
    'schemaVersion',
    'mediaType',
    'artifactType',
    'config',
    'layers',
    'subject',
    'annotations',
  ] satisfies (keyof Manifest)[],
  parts: { config: DESCRIPTOR, layers: DESCRIPTOR, subject: DESCRIPTOR, annotations: 'sorted' },
};
const INDEX: Shape = {
  order: [
    'schemaVersion',
    'mediaType',
    'artifactType',
    'manifests',
    'subject',
    'annotations',
  ] satisfies (keyof Index)[],
  parts: { manifests: DESCRIPTOR, subject: DESCRIPTOR, annotations: 'sorted' },
};
const CONTAINER_CONFIG: Shape = {
  order: [
    'User',
    'ExposedPorts',
    'Env',
    'Entrypoint',
    'Cmd',
    'Volumes',
    'WorkingDir',
    'Labels',
    'StopSignal',
    'ArgsEscaped',
    'Healthcheck',
    'Shell',
    'OnBuild',
  ] satisfies (keyof ContainerConfig)[],
  parts: {
    ExposedPorts: 'sorted',
    Volumes: 'sorted',
    Labels: 'sorted',
    Healthcheck: { order: ['Test', 'Interval', 'Timeout', 'StartPeriod', 'StartInterval', 'Retries'] },
  },
};
const IMAGE_CONFIG: Shape = {
  order: [
    'created',
    'author',
    'architecture',
    'os',
    'os.version',
    'os.features',
    'variant',
    'config',
    'rootfs',
    'history',
  ] satisfies (keyof ImageConfig)[],
  parts: {
    config: CONTAINER_CONFIG,
    rootfs: { order: ['type', 'diff_ids'] },
    history: { order: ['created', 'created_by', 'author', 'comment', 'empty_layer'] satisfies (keyof HistoryEntry)[] },
  },
};

/** The canonical bytes of a manifest: equal values give equal bytes, whatever the order of their fields. */
export function encodeManifest(manifest: Manifest): Buffer {
  return encode(manifest, MANIFEST);
}

/** The canonical bytes of an index. */
export function encodeIndex(index: Index): Buffer {
  return encode(index, INDEX);
}

/** The canonical bytes of an image config. */
export function encodeConfig(config: ImageConfig): Buffer {
  return encode(config, IMAGE_CONFIG);
}

function encode(document: object, shape: Shape): Buffer {
  return Buffer.from(JSON.stringify(arranged(document, shape)));
}

/** Known fields in the order of their shape, then unknown ones sorted by name; maps are sorted throughout. */
function arranged(value: unknown, shape: Shape | 'sorted'): unknown {
  if (Array.isArray(value)) return value.map((item) => arranged(item, shape));
  if (typeof value !== 'object' || value === null) return value;
  const order = shape === 'sorted' ? [] : shape.order;
  const parts = shape === 'sorted' ? {} : (shape.parts ?? {});
  const object = value as Record<string, unknown>;
  const unknown = Object.keys(object)
    .filter((name) => !order.includes(name))
    .sort();
  const names = [...order.filter((name) => object[name] !== undefined), ...unknown];
  return Object.fromEntries(names.map((name) => [name, arranged(object[name], parts[name] ?? 'sorted')]));
}
