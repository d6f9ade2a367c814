import type { SourceRange } from '../core/index.ts';
import { trimEndIndex, trimSpace } from './characters.ts';
import { createSourceText, type SourceText } from './source-text.ts';
import type { Dockerfile, FromInstruction, Instruction, InstructionBase, SourceWord } from './types.ts';

type AnyInstruction = Instruction | FromInstruction;

/**
 * Prints a Dockerfile in its normal form: keywords in capitals, one blank between words, the JSON form as `["a", "b"]`, no
 * blanks at line ends, at most one blank line in a row, a newline at the end. Comments stay; an instruction over several
 * lines keeps its layout, heredocs stay to the byte. Parsing the result gives the same tree, printing it again the same text.
 */
export function formatDockerfile(dockerfile: Dockerfile): string {
  const source = createSourceText(dockerfile.fileName, dockerfile.text);
  const chunks: string[] = [];
  let at = 0;
  for (const instruction of instructionsOf(dockerfile)) {
    const start = offsetAt(source, instruction.range.start);
    const end = offsetAt(source, instruction.range.end);
    const gap = source.text.slice(at, start).split('\n');
    const printed = formatInstruction(source, { instruction, start, end });
    const closed = keepClosed(printed, source.text.slice(end).split('\n', 1)[0]!, dockerfile.directives.escape);
    chunks.push(...formatGap(gap.slice(at === 0 ? 0 : 1, -1)), closed);
    at = end;
  }
  chunks.push(...formatGap(source.text.slice(at).split('\n').slice(1)));
  while (chunks.at(-1) === '') chunks.pop();
  return `${chunks.join('\n')}\n`;
}

/**
 * An instruction may end with the escape character only because white space other than blanks and tabs follows it: without
 * that the next line would go on from it.
 */
function keepClosed(printed: string, behind: string, escapeChar: string): string {
  // Carriage returns at the end of a line are part of that end.
  const space = behind.replace(/\r+$/, '');
  const isOpen = printed.endsWith(escapeChar) && printed.at(-2) !== escapeChar;
  return isOpen && /[^ \t]/.test(space) ? printed + space : printed;
}

/** All instructions in the order of the file, `FROM` and global `ARG` included. */
export function instructionsOf({
  globalArgs,
  stages,
}: Pick<Dockerfile, 'globalArgs' | 'stages'>): readonly AnyInstruction[] {
  return [...globalArgs, ...stages.flatMap(({ from, instructions }) => [from, ...instructions])];
}

function offsetAt(source: SourceText, position: SourceRange['start']): number {
  return source.lineStarts[position.line - 1]! + position.column - 1;
}

/**
 * Comments and blank lines between instructions. The rest of the line before and the indentation behind go. A blank line
 * at the very top stays: below it there are no directives.
 */
function formatGap(lines: readonly string[]): readonly string[] {
  const trimmed = lines.map(trimSpace);
  return trimmed.filter((line, i) => line !== '' || trimmed[i - 1] !== '');
}

interface PlacedInstruction {
  readonly instruction: AnyInstruction;
  readonly start: number;
  readonly end: number;
}

function formatInstruction(source: SourceText, { instruction, start, end }: PlacedInstruction): string {
  const [keyword, ...words] = instruction.words;
  const written = source.text.slice(start, end);
  const name = keyword!.text.toUpperCase();
  if (!/[\r\n]/.test(written)) return [name, ...formatWords(source, { instruction, words })].join(' ');
  const before = offsetAt(source, keyword!.range.start) - start;
  // A keyword that is itself continued over lines stays as it is.
  const isWhole = written.startsWith(keyword!.text, before);
  const named = isWhole ? written.slice(0, before) + name + written.slice(before + name.length) : written;
  return hasHeredocs(instruction) ? named : trimLineEnds(named);
}

function trimLineEnds(text: string): string {
  return text
    .split('\n')
    .map((line) => line.slice(0, trimEndIndex(line, 0, line.length)))
    .join('\n');
}

function hasHeredocs(instruction: AnyInstruction): boolean {
  if (instruction.kind === 'run') return instruction.heredocs.length > 0;
  if (instruction.kind === 'onbuild') return instruction.trigger.includes('\n');
  if (instruction.kind !== 'copy' && instruction.kind !== 'add') return false;
  return instruction.sources.some((entry) => typeof entry !== 'string');
}

function formatWords(
  source: SourceText,
  {
    instruction,
    words,
  }: { readonly instruction: InstructionBase & AnyInstruction; readonly words: readonly SourceWord[] },
): readonly string[] {
  const slice = (word: SourceWord): string =>
    source.text.slice(offsetAt(source, word.range.start), offsetAt(source, word.range.end));
  const flags = words.filter(({ role }) => role === 'flag').map(slice);
  const args = words.filter(({ role }) => role === 'argument');
  const plain = args.map(slice);
  // Behind flags, an argument that looks like one needs the mark that ends them.
  const mark = plain[0]?.startsWith('--') ? ['--'] : [];
  if (instruction.kind === 'from' && plain[1] !== undefined) plain[1] = 'AS';
  if (instruction.kind === 'healthcheck') {
    const [type, ...command] = plain;
    return [...flags, type!.toUpperCase(), ...(isJson(instruction) ? [jsonList(command)] : command)];
  }
  if (isJson(instruction) || isJsonList(source, { instruction, args })) return [...flags, jsonList(plain)];
  // Text that only its blanks keep from being the JSON form must keep them.
  if (plain[0]?.startsWith('[')) return [...flags, sliceBetween(source, args)];
  return [...flags, ...mark, ...plain];
}

function sliceBetween(source: SourceText, words: readonly SourceWord[]): string {
  return source.text.slice(offsetAt(source, words[0]!.range.start), offsetAt(source, words.at(-1)!.range.end));
}

function jsonList(strings: readonly string[]): string {
  return `[${strings.join(', ')}]`;
}

function isJson(instruction: AnyInstruction): boolean {
  return instruction.kind === 'shell' || ('form' in instruction && instruction.form?.kind === 'exec');
}

/** Paths in the JSON form: a bracket of its own stands before the first of them. */
function isJsonList(
  source: SourceText,
  { instruction, args }: { readonly instruction: AnyInstruction; readonly args: readonly SourceWord[] },
): boolean {
  const first = args[0];
  if (first === undefined || !['copy', 'add', 'volume'].includes(instruction.kind)) return false;
  const before = instruction.words[instruction.words.indexOf(first) - 1]!;
  return source.text.slice(offsetAt(source, before.range.end), offsetAt(source, first.range.start)).includes('[');
}
