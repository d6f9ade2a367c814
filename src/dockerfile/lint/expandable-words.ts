import type { SourceRange } from '../../core/index.ts';
import { parseCsvFields } from '../csv-fields.ts';
import { rangeOfArgument, rangeOfFlag } from '../locate.ts';
import type { AddInstruction, CopyInstruction, Instruction, RunInstruction } from '../types.ts';

/** A word in which variables are expanded. */
export interface ExpandableWord {
  readonly field: 'source' | 'port' | 'path' | 'other';
  readonly text: string;
  readonly kind: 'word' | 'words' | 'heredoc';
  readonly range: SourceRange;
}

/** The words of an instruction that a build expands, but for `ARG`, whose defaults see one another. */
export function expandableWords(instruction: Instruction): readonly ExpandableWord[] {
  const argument = (text: string, nth: number, field: ExpandableWord['field'] = 'other'): ExpandableWord => ({
    field,
    text,
    kind: 'word',
    range: rangeOfArgument(instruction, nth),
  });
  switch (instruction.kind) {
    case 'env':
    case 'label':
      return instruction.pairs.flatMap(({ key, value, legacy }, i) => [
        argument(key, i),
        argument(value, legacy ? 1 : i),
      ]);
    case 'copy':
    case 'add':
      return copyWords(instruction);
    case 'expose':
      return instruction.ports.map((text, i) => ({ ...argument(text, i, 'port'), kind: 'words' }));
    case 'user':
      return [argument(instruction.user, 0)];
    case 'workdir':
      return [argument(instruction.path, 0, 'path')];
    case 'stopsignal':
      return [argument(instruction.signal, 0)];
    case 'volume':
      return instruction.paths.map((path, i) => argument(path, i));
    case 'run':
      return mountWords(instruction);
    default:
      return [];
  }
}

function copyWords(instruction: CopyInstruction | AddInstruction): readonly ExpandableWord[] {
  const { sources, destination, exclude, chown, chmod } = instruction;
  const flag = (name: string, text: string | undefined, nth = 0): readonly ExpandableWord[] =>
    text === undefined ? [] : [{ field: 'other', text, kind: 'word', range: rangeOfFlag(instruction, name, nth) }];
  const range = (nth: number): SourceRange => rangeOfArgument(instruction, nth);
  return [
    ...flag('chown', chown),
    ...flag('chmod', chmod),
    ...exclude.flatMap((pattern, i) => flag('exclude', pattern, i)),
    ...(instruction.kind === 'add' ? flag('checksum', instruction.checksum) : []),
    ...sources.flatMap((entry, i): readonly ExpandableWord[] => {
      if (typeof entry === 'string') return [{ field: 'source', text: entry, kind: 'word', range: range(i) }];
      return entry.expand ? [{ field: 'other', text: entry.body, kind: 'heredoc', range: range(i) }] : [];
    }),
    { field: 'other', text: destination, kind: 'word', range: range(-1) },
  ];
}

function mountWords(instruction: RunInstruction): readonly ExpandableWord[] {
  return instruction.mounts.flatMap((mount, i) =>
    fieldsOf(mount).flatMap((field): readonly ExpandableWord[] => {
      const equals = field.indexOf('=');
      if (equals < 0) return [];
      return [
        { field: 'other', text: field.slice(equals + 1), kind: 'word', range: rangeOfFlag(instruction, 'mount', i) },
      ];
    }),
  );
}

function fieldsOf(mount: string): readonly string[] {
  try {
    return parseCsvFields(mount);
  } catch {
    return [];
  }
}
