import type { PruneOptions, PruneResult, UsageItem } from '../../store/index.ts';
import { type CommandContext, defineCommand } from '../command.ts';
import { withImages } from '../images/with-images.ts';
import { BACKEND_OPTION, DATA_DIR_OPTION, FORMAT_OPTION } from '../options/shared-options.ts';
import { parseDuration, parseSize, splitPair, usage } from '../options/values.ts';
import { formatJson, formatTable } from '../report/format-table.ts';
import { formatSize } from '../terminal/units.ts';

const KINDS: ReadonlyArray<UsageItem['kind']> = [
  'image',
  'layer',
  'blob',
  'record',
  'snapshots',
  'tocs',
  'cache-mounts',
  'downloads',
  'trees',
  'stat-cache',
];

/** `zlayer prune` */
export const pruneCommand = defineCommand({
  name: 'prune',
  summary: 'Delete what is not needed from the store',
  details: [
    'Without options: what neither a named image nor a record of the build cache needs. Running builds are safe.',
  ],
  positionals: { usage: '', min: 0, max: 0 },
  options: {
    all: { kind: 'boolean', short: 'a', help: 'Also images without a name, and the whole build cache' },
    filter: { kind: 'list', placeholder: 'FILTER', help: 'Only what matches: until=24h (not used since), type=KIND' },
    'max-used-space': {
      kind: 'text',
      placeholder: 'SIZE',
      help: 'Delete the least recently used until the store is at most this large',
    },
    'dry-run': { kind: 'boolean', help: 'Tell what would be deleted, and delete nothing' },
    force: { kind: 'boolean', short: 'f', help: 'Do not ask' },
    verbose: { kind: 'boolean', short: 'v', help: 'Name every entry' },
    ...FORMAT_OPTION,
    ...BACKEND_OPTION,
    ...DATA_DIR_OPTION,
  },
  examples: [
    { text: 'Delete what nothing needs', line: 'zlayer prune' },
    { text: 'In a nightly job: what was not used for a week', line: 'zlayer prune --all --force --filter until=7d' },
    { text: 'Keep the store below 20 GiB', line: 'zlayer prune --all --force --max-used-space 20g' },
  ],
  run: async (context, { values }) => {
    const options = toPruneOptions(values, context.now());
    if (!values.force && !values['dry-run'] && !(await confirmed(context, options))) return 1;
    const { removed, freedBytes } = await withImages<PruneReport>(context, values, {
      inStore: (store) => store.prune(options),
      inBackend: (backend, inner) => backend.prune(options, inner),
    });
    if (values.format === 'json') context.stdout.write(formatJson({ dryRun: values['dry-run'], freedBytes, removed }));
    else {
      if (values.verbose && removed !== undefined && removed.length > 0) {
        context.stdout.write(
          formatTable(
            ['ID', 'TYPE', 'SIZE'],
            removed.map(({ id, kind, sizeBytes }) => [id, kind, formatSize(sizeBytes)]),
          ),
        );
      }
      const entries = removed === undefined ? '' : ` ${removed.length} entr${removed.length === 1 ? 'y' : 'ies'}:`;
      context.stdout.write(`${values['dry-run'] ? 'Would delete' : 'Deleted'}${entries} ${formatSize(freedBytes)}\n`);
    }
    return undefined;
  },
});

/** Another backend than native tells how much it was, not what. */
type PruneReport = Pick<PruneResult, 'freedBytes'> & Partial<PruneResult>;

interface PruneValues {
  readonly all: boolean;
  readonly filter: readonly string[];
  readonly 'max-used-space': string | undefined;
  readonly 'dry-run': boolean;
}

function toPruneOptions(values: PruneValues, nowMs: number): PruneOptions {
  const kinds = new Set<UsageItem['kind']>();
  let unusedSinceMs: number | undefined;
  for (const text of values.filter) {
    const { name, value = '' } = splitPair(text);
    const kind = KINDS.find((known) => known === value);
    if (name === 'until') unusedSinceMs = nowMs - parseDuration(value, '--filter until');
    else if (name === 'type' && kind !== undefined) kinds.add(kind);
    else if (name === 'type')
      throw usage(`There is no type "${value}" to filter by.`, `It is one of: ${KINDS.join(', ')}.`);
    else throw usage(`--filter cannot be "${text}".`, 'It is until=DURATION or type=KIND.');
  }
  const size = values['max-used-space'];
  return {
    all: values.all,
    ...(unusedSinceMs === undefined ? {} : { unusedSinceMs }),
    ...(kinds.size === 0 ? {} : { kinds: [...kinds] }),
    ...(size === undefined ? {} : { maxUsedBytes: parseSize(size, '--max-used-space') }),
    dryRun: values['dry-run'],
  };
}

async function confirmed(context: CommandContext, { all }: PruneOptions): Promise<boolean> {
  if (context.stdin.isTTY !== true) {
    throw usage(
      'Standard input is not a terminal, so nobody can be asked.',
      'Add --force, or look first with --dry-run.',
    );
  }
  const what =
    all === true
      ? 'all images without a name and the build cache'
      : 'everything that no image and no cache record needs';
  const { askYesNo } = await import('../terminal/prompt.ts');
  return askYesNo(context, `This deletes ${what}. Continue?`);
}
