import type { Command } from './command.ts';
import { formatOption, optionNotes } from './options/format-option.ts';
import { HELP_OPTION, type OptionSpec } from './options/option-table.ts';
import type { Style } from './terminal/style.ts';
import { textWidth } from './terminal/text-width.ts';
import { wrapText } from './terminal/wrap-text.ts';

/** How help is laid out. `columns` is the width of the terminal. */
export interface HelpLayout {
  readonly columns: number;
  readonly style: Style;
}

const INDENT = '  ';
/** Left column of the option list; a longer option gets a line of its own. */
const OPTION_COLUMNS = 32;

/** The usage line of a command, such as `zlayer build [OPTIONS] PATH | URL | -`. */
export function usageOf(command: Command): string {
  return ['zlayer', command.name, '[OPTIONS]', command.positionals.usage].filter((part) => part !== '').join(' ');
}

/** `zlayer help COMMAND`. */
export function formatCommandHelp(command: Command, layout: HelpLayout): string {
  const { style } = layout;
  const options = Object.entries<OptionSpec>(command.options).filter(([, spec]) => spec.kind !== 'refused');
  const refused = Object.entries<OptionSpec>(command.options).filter(([, spec]) => spec.kind === 'refused');
  return [
    `${style.bold('Usage:')} ${usageOf(command)}`,
    '',
    ...wrapText(`${command.summary}.`, layout.columns),
    ...(command.details ?? []).flatMap((paragraph) => ['', ...wrapText(paragraph, layout.columns)]),
    '',
    style.bold('Options:'),
    ...[...options, ['help', HELP_OPTION] as const].flatMap(([name, spec]) => optionLines(name, spec, layout)),
    ...refusedLines(
      refused.map(([name]) => name),
      layout,
    ),
    ...exampleLines(command, layout),
    '',
  ].join('\n');
}

/** `zlayer help`. */
export function formatOverview(
  commands: ReadonlyArray<{ readonly name: string; readonly summary: string }>,
  layout: HelpLayout,
): string {
  const { style } = layout;
  const width = Math.max(...commands.map(({ name }) => name.length)) + 2;
  return [
    `${style.bold('Usage:')} zlayer COMMAND [OPTIONS]`,
    '',
    ...wrapText('Builds OCI images from Dockerfiles. No daemon, no root.', layout.columns),
    '',
    style.bold('Commands:'),
    ...commands.flatMap(({ name, summary }) => twoColumns(name, summary, { ...layout, left: width })),
    '',
    style.bold('Options:'),
    ...twoColumns('-h, --help', 'Show this help', { ...layout, left: 17 }),
    ...twoColumns('-v, --version', 'Show the version', { ...layout, left: 17 }),
    '',
    ...wrapText('Run "zlayer COMMAND --help" for the options of a command and for examples.', layout.columns),
    '',
  ].join('\n');
}

function optionLines(name: string, spec: OptionSpec, layout: HelpLayout): readonly string[] {
  const notes = optionNotes(spec);
  const text = `${spec.help}${notes.length === 0 ? '' : ` (${notes.join('; ')})`}`;
  return twoColumns(formatOption(name, spec), text, { ...layout, left: OPTION_COLUMNS });
}

function twoColumns(left: string, right: string, layout: HelpLayout & { readonly left: number }): readonly string[] {
  const narrow = layout.columns < layout.left + 30;
  const margin = narrow ? 6 : INDENT.length + layout.left;
  const lines = wrapText(right, Math.max(20, layout.columns - margin));
  const space = margin - INDENT.length - textWidth(left);
  const ownLine = narrow || space < 2;
  const rest = ownLine ? lines : lines.slice(1);
  const first = ownLine ? `${INDENT}${left}` : `${INDENT}${left}${' '.repeat(space)}${lines[0] ?? ''}`;
  return [first, ...rest.map((line) => ' '.repeat(margin) + line)];
}

function refusedLines(names: readonly string[], layout: HelpLayout): readonly string[] {
  if (names.length === 0) return [];
  const text = names.map((name) => `--${name}`).join(' ');
  return [
    '',
    layout.style.bold('Refused options of docker:'),
    ...wrapText(text, layout.columns - INDENT.length).map((line) => INDENT + line),
  ];
}

function exampleLines(command: Command, layout: HelpLayout): readonly string[] {
  if (command.examples.length === 0) return [];
  return [
    '',
    layout.style.bold('Examples:'),
    ...command.examples.flatMap(({ text, line }, index) => [
      ...(index === 0 ? [] : ['']),
      ...wrapText(text, layout.columns - 4).map((part) => `${INDENT}${layout.style.dim(`# ${part}`)}`),
      `${INDENT}${line}`,
    ]),
  ];
}
