import type { Outline, TargetInfo } from '../../dockerfile/index.ts';
import { formatTable } from '../report/format-table.ts';
import { sanitizeLine } from '../terminal/sanitize.ts';
import type { Style } from '../terminal/style.ts';
import { placeDocument } from './place-document.ts';

/** What a target takes, for people. */
export function formatOutline({ target, args, secrets, ssh, caches }: Outline, style: Style): string {
  const title = `${style.bold('Target:')} ${nameOf(target)}${target.description === undefined ? '' : `: ${sanitizeLine(target.description)}`}\n`;
  const tables = [
    ...tableOf(
      ['ARGUMENT', 'VALUE', 'DESCRIPTION'],
      args.map(({ name, value, description }) => [name, value ?? '', description ?? '']),
    ),
    ...tableOf(['SECRET', 'REQUIRED'], secrets.map(mountRow)),
    ...tableOf(['SSH', 'REQUIRED'], ssh.map(mountRow)),
    ...tableOf(
      ['CACHE'],
      caches.map((id) => [id]),
    ),
  ];
  return [title, ...(tables.length === 0 ? ['It takes nothing.\n'] : tables)].join('\n');
}

/** The same as a document, with docker's names. */
export function outlineDocument({ target, args, secrets, ssh, caches }: Outline): unknown {
  return {
    name: nameOf(target),
    ...(target.description === undefined ? {} : { description: target.description }),
    args: args.map(({ location, ...arg }) => ({ ...arg, ...placeDocument(location) })),
    secrets: secrets.map(({ id, required }) => ({ name: id, required })),
    ssh: ssh.map(({ id, required }) => ({ name: id, required })),
    cache: caches.map((id) => ({ ID: id })),
  };
}

/** The stages of a file, for people. */
export function formatTargets(targets: readonly TargetInfo[]): string {
  const rows = targets.map((target) => [
    `${nameOf(target)}${target.isDefault ? ' (default)' : ''}`,
    target.base,
    target.platform ?? '',
    target.description ?? '',
  ]);
  return formatTable(['TARGET', 'BASE', 'PLATFORM', 'DESCRIPTION'], rows.map(sanitizeRow));
}

/** The same as a document, with docker's names. */
export function targetsDocument(targets: readonly TargetInfo[]): unknown {
  return {
    targets: targets.map(({ isDefault, location, ...target }) => ({
      ...target,
      ...(isDefault ? { default: true } : {}),
      ...placeDocument(location),
    })),
  };
}

/** A stage without name is asked for by its number. */
function nameOf({ name, index }: TargetInfo): string {
  return name ?? String(index);
}

function mountRow({ id, required }: Outline['secrets'][number]): readonly string[] {
  return [id, required ? 'yes' : 'no'];
}

function tableOf(headings: readonly string[], rows: ReadonlyArray<readonly string[]>): readonly string[] {
  return rows.length === 0 ? [] : [formatTable(headings, rows.map(sanitizeRow))];
}

function sanitizeRow(row: readonly string[]): readonly string[] {
  return row.map(sanitizeLine);
}
