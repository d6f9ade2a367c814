import { createHash } from 'node:crypto';
import type { FileNode } from '../support/flatten.ts';
import type { Json, LayerBlob } from '../support/oci-layout.ts';
import { runOk } from '../support/process.ts';
import { readTar } from '../support/tar-reader.ts';
import { isNodeLine, type ListedNode, parseNode } from './listing.ts';
import type { OurImage } from './outcome.ts';
import { tokenize } from './tokens.ts';

/** How the history of the tests' base image begins; what follows is the case's own. */
const BASE_ENTRY = 'base image of the tests';

/**
 * What of the lines does not hold for an image, a text for each. A line is a file (`listing.ts`), or one of
 *
 *     entries /d a b              exactly these names lie in the directory
 *     config Cmd ["a"]            a field of the config, as JSON; `absent` for none
 *     layers 2                    how many layers lie on those of the base
 *     layer 1 d/ d/.wh.x          exactly these members has the first of them, directories with a slash, in byte order
 *     history layer COPY x /d …   the case's own history, all of it and in order; `history empty …` without a layer
 *     warning UndefinedVar        the build warned so; `warning none`
 */
export async function checkExpectations(lines: readonly string[], image: OurImage): Promise<readonly string[]> {
  const problems: string[] = [];
  for (const line of lines.filter((each) => !each.startsWith('history '))) {
    const found = isNodeLine(line) ? await checkNode(parseNode(line), image) : checkLine(line, image);
    if (found !== undefined) problems.push(`expected: ${line}\n   found: ${found}`);
  }
  const history = lines.filter((line) => line.startsWith('history ')).map((line) => line.slice('history '.length));
  return [...problems, ...(history.length === 0 ? [] : checkHistory(history, image.config))];
}

/** What is there instead; undefined where the line holds. */
async function checkNode(expected: ListedNode, { tree, layers }: OurImage): Promise<string | undefined> {
  const node = tree.get(expected.path);
  if (node === undefined) return expected.kind === 'absent' ? undefined : 'nothing';
  const kind = expected.kind === 'hardlink' ? 'file' : expected.kind;
  const { content } = expected;
  const holds =
    kind === node.kind &&
    (['mode', 'uid', 'gid', 'mtime'] as const).every((field) => [undefined, node[field]].includes(expected[field])) &&
    (content === undefined || digestOf(content) === node.sha256) &&
    (expected.link === undefined || hasLink(expected, node));
  return holds ? undefined : describeNode(expected.path, node, layers);
}

function hasLink({ kind, link = '' }: ListedNode, node: FileNode): boolean {
  return kind === 'hardlink' ? node.linkGroup.split('\n').includes(link) : node.link === link;
}

function digestOf(content: string): string {
  return createHash('sha256').update(Buffer.from(content, 'latin1')).digest('hex');
}

async function describeNode(path: string, node: FileNode, layers: readonly LayerBlob[]): Promise<string> {
  const { kind, mode, uid, gid, mtime, link, linkGroup } = node;
  const content = kind === 'file' && node.size < 4096 ? ` ${JSON.stringify(await contentOf(path, layers))}` : '';
  const names = linkGroup === '' ? '' : ` (also ${linkGroup.replaceAll('\n', ', ')})`;
  return `${kind} 0${mode.toString(8)} ${uid}:${gid} @${mtime} ${path}${link === '' ? '' : ` -> ${link}`}${content}${names}`;
}

/** The topmost layer that has the name tells what is in it; for a person who reads a failure. */
async function contentOf(path: string, layers: readonly LayerBlob[]): Promise<string> {
  for (const layer of [...layers].reverse()) {
    if (readTar(layer.path).some((member) => member.path === path)) {
      return (await runOk(['tar', '-xOf', layer.path, path])).stdout;
    }
  }
  return '';
}

function checkLine(line: string, image: OurImage): string | undefined {
  const [word = '', first = '', ...rest] = tokenize(line).map(({ text }) => text);
  const differs = (expected: string, found: string): string | undefined => (expected === found ? undefined : found);
  const own = image.layers.slice(image.layers.length - ownLayers(image.config));
  if (word === 'entries') return differs(rest.sort().join(' '), entriesOf(first, image).join(' '));
  if (word === 'layers') return differs(first, String(own.length));
  if (word === 'layer') return differs(rest.sort().join(' '), membersOf(own[Number(first) - 1]).join(' '));
  if (word === 'config') return differs(restOf(line, 2), fieldOf(image.config, first));
  if (word === 'warning') return checkWarning(first, image.warnings);
  throw new Error(`"${line}" is no expectation.`);
}

/** The line without its first words. */
function restOf(line: string, words: number): string {
  const text = line.split(' ').slice(words).join(' ');
  return text === 'absent' ? text : JSON.stringify(JSON.parse(Buffer.from(text, 'latin1').toString('utf8')));
}

function fieldOf(config: Json, field: string): string {
  const value = field.split('.').reduce<unknown>((at, name) => (at as Json | undefined)?.[name], {
    ...(config.config as Json),
    author: config.author,
    created: config.created,
    architecture: config.architecture,
    variant: config.variant,
  });
  return value === undefined ? 'absent' : JSON.stringify(value);
}

function checkWarning(code: string, warnings: readonly string[]): string | undefined {
  const holds = code === 'none' ? warnings.length === 0 : warnings.includes(code);
  return holds ? undefined : warnings.join(' ') || 'none';
}

function entriesOf(path: string, { tree }: OurImage): readonly string[] {
  const prefix = path === '/' ? '' : `${path.replace(/^\//, '')}/`;
  const names = [...tree.keys()].filter((each) => each.startsWith(prefix) && each !== '');
  return [...new Set(names.map((each) => each.slice(prefix.length).split('/')[0] ?? ''))].sort();
}

function membersOf(layer: LayerBlob | undefined): readonly string[] {
  if (layer === undefined) return ['no such layer'];
  return readTar(layer.path)
    .map(({ path, kind }) => (kind === 'directory' ? `${path}/` : path))
    .sort();
}

interface HistoryEntry {
  readonly created_by?: string;
  readonly empty_layer?: boolean;
}

function ownHistory(config: Json): readonly HistoryEntry[] {
  return ((config.history ?? []) as readonly HistoryEntry[]).filter((entry) => entry.created_by !== BASE_ENTRY);
}

function ownLayers(config: Json): number {
  return ownHistory(config).filter((entry) => entry.empty_layer !== true).length;
}

function checkHistory(expected: readonly string[], config: Json): readonly string[] {
  const found = ownHistory(config).map(
    ({ created_by: text = '', empty_layer: empty }) =>
      `${empty === true ? 'empty' : 'layer'} ${Buffer.from(text, 'utf8').toString('latin1').replaceAll('\n', '\\n')}`,
  );
  if (found.join('\n') === expected.join('\n')) return [];
  return [`expected history:\n  ${expected.join('\n  ')}\nfound:\n  ${found.join('\n  ')}`];
}
