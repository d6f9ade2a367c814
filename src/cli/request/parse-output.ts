import type { LayerCompression, OutputInput } from '../../backends/index.ts';
import { BuildError } from '../../core/index.ts';
import { nearestName } from '../options/nearest-name.ts';
import { parseFields, usage } from '../options/values.ts';

/** What `-o` texts ask for together. */
export interface OutputsRequest {
  readonly outputs: readonly OutputInput[];
  /** From `name=`. */
  readonly tags: readonly string[];
  readonly rewriteTimestamp: boolean;
  /** From `oci-mediatypes`; undefined where nothing is said. */
  readonly format: 'oci' | 'docker' | undefined;
}

const TYPES = ['image', 'registry', 'oci', 'docker', 'tar', 'local', 'cacheonly'] as const;
type OutputType = (typeof TYPES)[number];

const COMPRESSION = ['compression', 'compression-level', 'force-compression'];

const ATTRIBUTES: Readonly<Record<OutputType, readonly string[]>> = {
  image: ['name', 'push', 'push-by-digest', 'name-canonical', ...COMPRESSION, 'oci-mediatypes', 'rewrite-timestamp'],
  registry: ['name', 'push', 'push-by-digest', 'name-canonical', ...COMPRESSION, 'oci-mediatypes', 'rewrite-timestamp'],
  oci: ['dest', 'tar', 'name', ...COMPRESSION, 'oci-mediatypes', 'rewrite-timestamp'],
  docker: ['dest', 'name', ...COMPRESSION, 'rewrite-timestamp'],
  tar: ['dest', 'rewrite-timestamp'],
  local: ['dest', 'rewrite-timestamp'],
  cacheonly: [],
};

/**
 * Reads the values of `--output` in buildx's notation: fields of `key=value`, or a directory alone, or `-`.
 *
 * @throws BuildError `USAGE`; `UNSUPPORTED` for attributes of buildx that are not offered.
 */
export function parseOutputs(texts: readonly string[]): OutputsRequest {
  const parsed = texts.map(parseOutput);
  const toStdout = parsed.filter(({ output }) => 'destination' in output && output.destination === '-');
  if (toStdout.length > 1) throw usage('Only one --output can go to standard output.');
  return {
    outputs: parsed.map(({ output }) => output),
    tags: parsed.flatMap(({ tags }) => tags),
    rewriteTimestamp: parsed.some(({ rewriteTimestamp }) => rewriteTimestamp),
    format: formatOf(parsed),
  };
}

/** One image has documents of one kind. @throws BuildError `USAGE` where outputs want different ones. */
function formatOf(parsed: readonly ParsedOutput[]): 'oci' | 'docker' | undefined {
  const wanted = new Set(parsed.flatMap(({ ociTypes }) => (ociTypes === undefined ? [] : [ociTypes])));
  if (wanted.size > 1) {
    throw usage('One --output says oci-mediatypes=true, another oci-mediatypes=false.', 'One build makes one kind.');
  }
  if (wanted.size === 0) return undefined;
  return wanted.has(false) ? 'docker' : 'oci';
}

interface ParsedOutput {
  readonly output: OutputInput;
  readonly tags: readonly string[];
  readonly rewriteTimestamp: boolean;
  /** `oci-mediatypes`, where it is given. */
  readonly ociTypes: boolean | undefined;
}

function parseOutput(text: string): ParsedOutput {
  const fields = parseFields(text, '--output');
  const [first] = fields;
  if (fields.length === 1 && first!.value === undefined) {
    if (text === '') throw usage('--output is empty.', 'Write a directory, "-", or type=…,dest=….');
    const output: OutputInput = text === '-' ? { kind: 'tar', destination: '-' } : { kind: 'local', destination: text };
    return { output, tags: [], rewriteTimestamp: false, ociTypes: undefined };
  }
  const attributes = new Map<string, string>();
  for (const { key, value } of fields) {
    if (value === undefined) throw usage(`--output takes key=value, not "${key}" (in "${text}").`);
    attributes.set(key, value);
  }
  const type = readType(attributes.get('type'), text);
  for (const key of attributes.keys()) requireAttribute(type, key);
  return {
    output: toOutput(type, attributes, text),
    tags: (attributes.get('name') ?? '').split(',').filter((name) => name !== ''),
    rewriteTimestamp: readFlag(attributes, 'rewrite-timestamp', false),
    ociTypes: attributes.has('oci-mediatypes') ? readFlag(attributes, 'oci-mediatypes', true) : undefined,
  };
}

function readType(type: string | undefined, text: string): OutputType {
  if (type === undefined) throw usage(`--output "${text}" has no type.`, `Write type=${TYPES.join('|')}.`);
  const known = TYPES.find((name) => name === type);
  if (known !== undefined) return known;
  const nearest = nearestName(type, TYPES);
  throw usage(
    `There is no output type "${type}".`,
    `${nearest === undefined ? '' : `Did you mean "${nearest}"? `}It is one of: ${TYPES.join(', ')}.`,
  );
}

function requireAttribute(type: OutputType, key: string): void {
  if (key === 'type' || ATTRIBUTES[type].includes(key)) return;
  throw new BuildError('UNSUPPORTED', `The attribute ${key} of --output type=${type} is not supported.`, {
    hint: ATTRIBUTES[type].length === 0 ? 'This type has no attributes.' : `It has: ${ATTRIBUTES[type].join(', ')}.`,
  });
}

function toOutput(type: OutputType, attributes: ReadonlyMap<string, string>, text: string): OutputInput {
  const destination = attributes.get('dest');
  switch (type) {
    case 'image':
    case 'registry': {
      const push = readFlag(attributes, 'push', type === 'registry');
      const pushByDigest = readFlag(attributes, 'push-by-digest', false);
      // What is pushed by digest is told with its digest in any case.
      readFlag(attributes, 'name-canonical', false);
      return { kind: 'image', push, ...(pushByDigest ? { pushByDigest } : {}), ...readCompression(attributes) };
    }
    case 'cacheonly':
      return { kind: 'cacheonly' };
    case 'oci': {
      const tar = readFlag(attributes, 'tar', true);
      const place = tar ? (destination ?? '-') : requireDirectory(destination, text);
      return { kind: 'oci', destination: place, tar, ...readCompression(attributes) };
    }
    case 'local':
      return { kind: 'local', destination: requireDirectory(destination, text) };
    case 'docker':
      return { kind: 'docker', destination: destination ?? '-', ...readCompression(attributes) };
    case 'tar':
      return { kind: 'tar', destination: destination ?? '-' };
  }
}

const LEVELS = { gzip: 9, zstd: 19, none: 0 } as const;

function readCompression(attributes: ReadonlyMap<string, string>): LayerCompression {
  const kind = attributes.get('compression');
  const level = attributes.get('compression-level');
  const isForced = readFlag(attributes, 'force-compression', false);
  const forced = isForced ? { forceCompression: true } : {};
  if (kind === undefined && level === undefined) return forced;
  const compression = (['gzip', 'zstd', 'none'] as const).find((name) => name === (kind ?? 'gzip'));
  if (compression === undefined) {
    throw usage(`"${kind}" in --output is no compression.`, 'It is one of: gzip, zstd, none.');
  }
  if (level === undefined) return { compression, ...forced };
  const compressionLevel = Number(level);
  if (!Number.isInteger(compressionLevel) || compressionLevel < 1 || compressionLevel > LEVELS[compression]) {
    const range =
      compression === 'none' ? 'none has no levels' : `${compression} has levels 1 to ${LEVELS[compression]}`;
    throw usage(`"${level}" in --output is no level of compression: ${range}.`);
  }
  return { compression, compressionLevel, ...forced };
}

function requireDirectory(destination: string | undefined, text: string): string {
  if (destination !== undefined && destination !== '' && destination !== '-') return destination;
  throw usage(`--output "${text}" needs a directory.`, 'Add dest=DIR.');
}

function readFlag(attributes: ReadonlyMap<string, string>, key: string, otherwise: boolean): boolean {
  const value = attributes.get(key);
  if (value === undefined) return otherwise;
  if (value === 'true' || value === '1') return true;
  if (value === 'false' || value === '0') return false;
  throw usage(`${key} in --output is either true or false, not "${value}".`);
}
