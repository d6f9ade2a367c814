import { resolve } from 'node:path';
import type { ContextEntry } from '../../backends/index.ts';
import { textOfPath } from '../../core/index.ts';
import { defineCommand } from '../command.ts';
import { formatJson, formatTable } from '../report/format-table.ts';
import { sanitizeLine } from '../terminal/sanitize.ts';
import { formatSize } from '../terminal/units.ts';

/** `zlayer context ls` */
export const contextLsCommand = defineCommand({
  name: 'context ls',
  summary: 'List what a build sees of its context, and which ignore rule keeps out the rest',
  details: [
    'PATH is a directory, by default the current one. What is left out stands with the file, the line and the pattern that decided; what lies below a directory that is left out is not listed.',
  ],
  positionals: { usage: '[PATH]', min: 0, max: 1, complete: 'directory' },
  options: {
    file: {
      kind: 'text',
      short: 'f',
      placeholder: 'FILE',
      help: 'Dockerfile, whose own <FILE>.dockerignore is read in place of .dockerignore',
      defaultText: 'Dockerfile, else Containerfile, in the context',
      complete: 'file',
    },
    ignored: { kind: 'boolean', help: 'Only what is left out' },
    format: {
      kind: 'text',
      placeholder: 'FORMAT',
      help: 'How the list is printed',
      choices: ['table', 'json'],
      defaultText: 'table',
    },
  },
  examples: [
    { text: 'What does COPY . . copy?', line: 'zlayer context ls' },
    { text: 'Why is a file not there?', line: 'zlayer context ls --ignored' },
  ],
  run: async ({ services, stdout, cwd }, { values, positionals }) => {
    const entries = await services.listContext({
      directory: resolve(cwd, positionals[0] ?? '.'),
      ...(values.file === undefined ? {} : { file: resolve(cwd, values.file) }),
    });
    const shown = values.ignored ? entries.filter(({ included }) => !included) : entries;
    if (values.format === 'json') stdout.write(formatJson(shown.map(toDocument)));
    else stdout.write(`${shown.length === 0 ? '' : formatTable(HEADINGS, shown.map(toRow))}${summaryOf(entries)}\n`);
    return undefined;
  },
});

const HEADINGS = ['STATE', 'SIZE', 'PATH', 'RULE'];

function toRow({ path, kind, sizeBytes, included, rule }: ContextEntry): readonly string[] {
  return [
    included ? 'sent' : 'ignored',
    kind === 'file' ? formatSize(sizeBytes) : '',
    sanitizeLine(`${textOfPath(path)}${kind === 'directory' ? '/' : ''}`),
    rule === undefined ? '' : sanitizeLine(`${rule.fileName}:${rule.line}: ${rule.pattern}`),
  ];
}

function toDocument({ path, ...entry }: ContextEntry): unknown {
  return { path: textOfPath(path), ...entry };
}

function summaryOf(entries: readonly ContextEntry[]): string {
  const files = entries.filter(({ included, kind }) => included && kind !== 'directory');
  const sizeBytes = files.reduce((sum, file) => sum + file.sizeBytes, 0);
  const ignored = entries.filter(({ included }) => !included).length;
  return `${files.length} file${files.length === 1 ? '' : 's'}, ${formatSize(sizeBytes)}; ${ignored} name${ignored === 1 ? '' : 's'} left out`;
}
