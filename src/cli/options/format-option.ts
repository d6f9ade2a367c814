import type { OptionSpec } from './option-table.ts';

/** An option as its help line shows it: `-t, --tag NAME`, `--pull[=WHEN]`, `--label KEY=VALUE...` for what may be repeated. */
export function formatOption(name: string, spec: OptionSpec): string {
  const letter = spec.short === undefined ? '    ' : `-${spec.short}, `;
  return `${letter}--${name}${formatValue(spec)}`;
}

function formatValue(spec: OptionSpec): string {
  if (spec.kind === 'boolean' || spec.kind === 'refused') return '';
  if (spec.kind === 'list') return ` ${spec.placeholder}...`;
  return spec.kind === 'text' && spec.bare !== undefined ? `[=${spec.placeholder}]` : ` ${spec.placeholder}`;
}

/** What the help says beyond the sentence: the choices and the default. */
export function optionNotes(spec: OptionSpec): readonly string[] {
  const notes: string[] = [];
  if (spec.kind === 'text' && spec.choices !== undefined) notes.push(`one of: ${spec.choices.join(', ')}`);
  if ((spec.kind === 'text' || spec.kind === 'count') && spec.defaultText !== undefined) {
    notes.push(`default: ${spec.defaultText}`);
  }
  return notes;
}
