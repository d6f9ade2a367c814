import {
  type BytePath,
  bytePathOf,
  chainIdOf,
  digestHex,
  digestOf,
  digestOfFields,
  type RunContext,
  textOfPath,
  throwIfCancelled,
} from '../../core/index.ts';
import type { CopyOp, CopySource } from '../../graph/index.ts';
import type { CacheKey, EngineEnv, OpResult } from '../types.ts';
import { digestOfSelection } from './content-digest.ts';
import { createInputTrees, type InputTrees } from './input-trees.ts';
import { type Selection, selectSources } from './selection.ts';

/** Bump when a change of the engine makes the same copy come out differently. */
const SEMANTICS = '1';
/** Beyond this many files a miss is explained by source, not by file. */
const MAX_NAMED_FILES = 5000;
const SHORT_DIGEST = 16;

type Fields = ReadonlyArray<readonly [name: string, value: string]>;
type InputSource = Extract<CopySource, { kind: 'input' }>;

/**
 * The cache keys of a COPY or ADD, cheapest first: by the identity of its inputs, where all have one (stages and downloads
 * have, directories have not), then by the content of exactly what it takes. Of a source's path only the base name counts.
 * Times never do.
 *
 * @throws BuildError as `runCopy` does for sources that cannot be found or read.
 */
export async function* copyKeys(
  { env }: { readonly env: EngineEnv },
  { op, inputs }: { readonly op: CopyOp; readonly inputs: readonly OpResult[] },
  context: RunContext,
): AsyncGenerator<CacheKey> {
  throwIfCancelled(context.signal);
  const common = commonFields(op, inputs);
  const identities = identityFields(op, inputs);
  if (identities !== undefined) yield toKey('copy by identity', [...common, ...identities]);
  const trees = createInputTrees(env, inputs, context);
  const files: [string, string][] = [];
  const fields = await contentFields({ trees, inputs, context, files }, op);
  yield toKey('copy by content', [...common, ...fields], files.length > MAX_NAMED_FILES ? [] : files);
}

function commonFields(op: CopyOp, inputs: readonly OpResult[]): Fields {
  const base = op.base === undefined ? undefined : inputs[op.base];
  return [
    ['base', base === undefined ? 'none' : (identityOf(base) ?? '')],
    ['destination', op.destination],
    ['owner', op.chown ?? ''],
    ['mode', op.chmod ?? ''],
    ['parents', String(op.parents)],
    ...(op.mustBeEnterable === true ? [['directories', 'must be enterable'] as const] : []),
    ...op.exclude.map((pattern, index): [string, string] => [`exclude ${index + 1}`, pattern]),
  ];
}

function identityOf(result: OpResult): string | undefined {
  if (result.kind === 'tree') return result.identity;
  return chainIdOf(result.layers.map((layer) => layer.diffId)) ?? 'scratch';
}

/** Undefined when an input is not known by an identity. */
function identityFields(op: CopyOp, inputs: readonly OpResult[]): Fields | undefined {
  const fields: (readonly [string, string])[] = [];
  for (const [index, source] of op.sources.entries()) {
    const name = `source ${index + 1}`;
    if (source.kind === 'inline') {
      fields.push(...inlineFields(name, source));
      continue;
    }
    const input = inputs[source.input];
    const identity = input === undefined ? undefined : identityOf(input);
    if (identity === undefined) return undefined;
    fields.push([name, source.path], [`options of ${name}`, optionsOf(source)], [`input of ${name}`, identity]);
  }
  return fields;
}

function inlineFields(name: string, { fileName, text }: Extract<CopySource, { kind: 'inline' }>): Fields {
  return [
    [name, `inline ${fileName}`],
    [`text of ${fileName}`, digestOf(text)],
  ];
}

interface ContentWork {
  readonly trees: InputTrees;
  readonly inputs: readonly OpResult[];
  readonly context: RunContext;
  /** Files with their digests, for explaining a miss; their paths are not part of the key. */
  readonly files: [string, string][];
}

async function contentFields(work: ContentWork, op: CopyOp): Promise<Fields> {
  const fields: (readonly [string, string])[] = [];
  for (const [index, source] of op.sources.entries()) {
    const name = `source ${index + 1}`;
    if (source.kind === 'inline') {
      fields.push(...inlineFields(name, source));
      continue;
    }
    throwIfCancelled(work.context.signal);
    fields.push([name, patternNameOf(source, op)], [`options of ${name}`, optionsOf(source)]);
    fields.push(...(await sourceFields(work, { op, source, name })));
  }
  return fields;
}

async function sourceFields(
  work: ContentWork,
  { op, source, name }: { readonly op: CopyOp; readonly source: InputSource; readonly name: string },
): Promise<Fields> {
  const tree = await work.trees.open(source.input);
  const { files } = work;
  const digests: [string, string][] = [];
  const result = work.inputs[source.input];
  const ownerless = source.ownerless || (result?.kind === 'tree' && result.ownerless);
  const onFile = (path: BytePath, hex: string): void => {
    if (files.length <= MAX_NAMED_FILES) files.push([`file ${textOfPath(path)}`, hex.slice(0, SHORT_DIGEST)]);
  };
  for (const [index, selection] of selectSources(tree, source, op).entries()) {
    const digest = await digestOfSelection({ source: tree, selection }, { ownerless, onFile }, work.context);
    digests.push([`name ${index + 1} of ${name}`, nameOf(selection)], [`content ${index + 1} of ${name}`, digest]);
  }
  return digests;
}

/** The name under which a selection arrives; the content of `/` has none. */
function nameOf(selection: Selection): string {
  return textOfPath(selection.name);
}

/** With `parents` the whole path decides where files go; else where a source lies does not matter. */
function patternNameOf(source: InputSource, op: CopyOp): string {
  return op.parents ? source.path : (textOfPath(bytePathOf(source.path)).split('/').filter(Boolean).at(-1) ?? '');
}

function optionsOf(source: InputSource): string {
  const options = `unpack ${source.unpack}, ${source.ownerless ? 'ownerless' : 'owned'}`;
  return source.mustMatch ? `${options}, must match` : options;
}

function toKey(kind: string, fields: Fields, explanations: Fields = []): CacheKey {
  const key = digestOfFields([['semantics', SEMANTICS], ['kind', kind], ...fields]);
  return { key: digestHex(key), inputs: Object.fromEntries([...fields, ...explanations]) };
}
