import {
  type CommandForm,
  type Dockerfile,
  type Heredoc,
  type Instruction,
  type InstructionBase,
  parseInstruction,
} from '../../src/dockerfile/index.ts';
import { parseJsonForm } from '../../src/dockerfile/json-form.ts';
import { splitStatement } from '../../src/dockerfile/statement.ts';
import { splitAtBlanks, trimmedWord } from '../../src/dockerfile/words.ts';

type AnyInstruction = Instruction | Dockerfile['stages'][number]['from'];

/** All instructions in the order of the file. */
export function instructionsOf(dockerfile: Dockerfile): readonly AnyInstruction[] {
  return [...dockerfile.globalArgs, ...dockerfile.stages.flatMap(({ from, instructions }) => [from, ...instructions])];
}

/** An instruction in the notation of the reference's `result` files: `(copy ["--from=a"] "src" "dst")`. */
export function dumpInstruction(instruction: AnyInstruction): string {
  return node(instruction.kind, { flags: flagsOf(instruction), args: argsOf(instruction) });
}

/** As `dumpInstruction`, for an instruction whose flags or arguments our parser refuses, from its words alone. */
export function dumpLine(line: string): string {
  const { keyword, flags, rest } = splitStatement(line, '\\');
  const kind = keyword.text.toLowerCase();
  const type = kind === 'healthcheck' ? splitAtBlanks(line, rest)[0] : undefined;
  const command = type === undefined ? rest : trimmedWord(line, type.end, rest.end);
  const json = parseJsonForm(command);
  const words = json.kind === 'words' ? json.words : type === undefined ? splitAtBlanks(line, command) : [command];
  const args = [...(type === undefined ? [] : [type]), ...words].filter(({ start, end }) => end > start);
  return node(kind, { flags, args: args.map(({ text }) => goQuote(text)) });
}

function node(
  kind: string,
  { flags, args }: { readonly flags: ReadonlyArray<{ readonly text: string }>; readonly args: readonly string[] },
): string {
  const list = flags.length === 0 ? [] : [`[${flags.map(({ text }) => goQuote(text)).join(' ')}]`];
  return `(${[kind, ...list, ...args].join(' ')})`;
}

function flagsOf({ words }: InstructionBase): InstructionBase['words'] {
  return words.filter(({ role }) => role === 'flag');
}

function argsOf(instruction: AnyInstruction): readonly string[] {
  switch (instruction.kind) {
    case 'env':
    case 'label':
      return instruction.pairs.flatMap(({ key, value, legacy }) => [key, value, legacy ? '' : '='].map(goQuote));
    case 'arg':
      return instruction.args.map(({ name, value }) => goQuote(value === undefined ? name : `${name}=${value}`));
    case 'run':
    case 'cmd':
    case 'entrypoint':
      return commandOf(instruction.form);
    case 'healthcheck':
      return instruction.form === undefined ? ['"NONE"'] : ['"CMD"', ...commandOf(instruction.form)];
    case 'copy':
    case 'add':
      return [...instruction.sources.map(sourceText), instruction.destination].map(goQuote);
    case 'onbuild':
      return [dumpInstruction(parseInstruction(instruction.trigger, { fileName: 'trigger' }))];
    default:
      return instruction.words.filter(({ role }) => role === 'argument').map(({ text }) => goQuote(text));
  }
}

function sourceText(source: string | Heredoc): string {
  return typeof source === 'string' ? source : `<<${source.chomp ? '-' : ''}${source.name}`;
}

function commandOf(form: CommandForm): readonly string[] {
  if (form.kind === 'exec') return form.args.map(goQuote);
  return form.script === '' ? [] : [goQuote(form.script)];
}

const NAMED_ESCAPES: Readonly<Record<string, string>> = {
  '\u0007': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
  '\\': '\\\\',
  '"': '\\"',
};

/** As Go's `strconv.Quote`. */
export function goQuote(text: string): string {
  const escaped = text.replace(/[\u0000-\u001f\u007f\\"]/g, (char) => {
    return NAMED_ESCAPES[char] ?? `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`;
  });
  return `"${escaped}"`;
}
