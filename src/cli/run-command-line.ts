import { type BuildError, exitCodeOf, toBuildError } from '../core/index.ts';
import type { Command, CommandContext, TextOutput } from './command.ts';
import { COMMANDS } from './command-table.ts';
import { COMPLETE_VERB } from './completion/complete-verb.ts';
import { printCompletion } from './completion/print-completion.ts';
import { commandsOfGroup, findCommand } from './find-command.ts';
import { formatCommandHelp, formatOverview } from './help.ts';
import { nearestName } from './options/nearest-name.ts';
import { parseOptions } from './options/parse-options.ts';
import { usage } from './options/values.ts';
import { formatError } from './report/format-error.ts';
import { type Style, styleFor } from './terminal/style.ts';

const MAX_TEXT_COLUMNS = 100;
const DEFAULT_COLUMNS = 80;

/** Runs a command line to its exit status. Every error is printed here, once; nothing is thrown. */
export async function runCommandLine(context: CommandContext, args: readonly string[]): Promise<number> {
  try {
    return await dispatch(context, args);
  } catch (thrown) {
    return reportError(context, thrown, findCommand(COMMANDS, args)?.command.name);
  }
}

async function dispatch(context: CommandContext, args: readonly string[]): Promise<number> {
  const [verb, ...rest] = args;
  if (verb === undefined) {
    printOverview(context, context.stderr);
    return exitCodeOf('usage');
  }
  if (verb === 'help' || verb === '--help' || verb === '-h') return runHelp(context, rest);
  if (verb === COMPLETE_VERB) {
    await printCompletion(context, COMMANDS, rest);
    return 0;
  }
  const found = findCommand(COMMANDS, args);
  if (found === undefined) return runGroup(context, verb, rest);
  const { command } = found;
  const input = parseOptions(command.options, found.rest);
  if (input.wantsHelp) {
    printHelp(context, command);
    return 0;
  }
  checkPositionals(command, input.positionals);
  return (await command.run(context, input)) ?? 0;
}

function checkPositionals({ name, positionals: { usage: shown, min, max } }: Command, given: readonly string[]): void {
  if (given.length >= min && given.length <= max) return;
  const amount = max === 0 ? 'no arguments' : min === max ? `${countOf(min)} (${shown})` : `${shown}`;
  if (given.length < min && given.length === 0) {
    const hint = name === 'build' ? 'For the current directory: zlayer build .' : undefined;
    throw usage(`"zlayer ${name}" needs ${min === max ? countOf(min) : 'an argument'}: ${shown}.`, hint);
  }
  throw usage(`"zlayer ${name}" takes ${amount}, but was given ${given.length}: ${given.join(' ')}`);
}

function countOf(count: number): string {
  return count === 1 ? 'one argument' : `${count} arguments`;
}

function unknownCommand(verb: string): BuildError {
  if (verb.startsWith('-')) return usage(`There is no option ${verb} before a command.`, 'See `zlayer help`.');
  const nearest = nearestName(
    verb,
    COMMANDS.map(({ name }) => name),
  );
  return usage(
    `There is no command "${verb}".`,
    nearest === undefined ? 'See `zlayer help`.' : `Did you mean "zlayer ${nearest}"?`,
  );
}

/** A group alone, or with `--help`, lists its commands. */
function runGroup(context: CommandContext, verb: string, [word]: readonly string[]): number {
  const members = commandsOfGroup(COMMANDS, verb);
  if (members.length === 0) throw unknownCommand(verb);
  const isHelp = word === '--help' || word === '-h';
  if (word !== undefined && !isHelp) throw unknownCommand(`${verb} ${word}`);
  const output = isHelp ? context.stdout : context.stderr;
  output.write(formatOverview(members, layoutOf(context, output)));
  return isHelp ? 0 : exitCodeOf('usage');
}

function runHelp(context: CommandContext, words: readonly string[]): number {
  const [verb] = words;
  if (verb === undefined || verb.startsWith('-')) {
    printOverview(context, context.stdout);
    return 0;
  }
  const found = findCommand(COMMANDS, words);
  if (found === undefined) return runGroup(context, verb, [words[1] ?? '--help']);
  printHelp(context, found.command);
  return 0;
}

function printHelp(context: CommandContext, command: Command): void {
  context.stdout.write(formatCommandHelp(command, layoutOf(context, context.stdout)));
}

function printOverview(context: CommandContext, output: TextOutput): void {
  output.write(formatOverview(COMMANDS, layoutOf(context, output)));
}

function layoutOf(context: CommandContext, output: TextOutput): { readonly columns: number; readonly style: Style } {
  const columns = Math.min(output.columns() ?? DEFAULT_COLUMNS, MAX_TEXT_COLUMNS);
  return { columns, style: styleFor(output, context.env) };
}

function reportError(context: CommandContext, thrown: unknown, command: string | undefined): number {
  const error = toBuildError(thrown);
  context.stderr.write(
    formatError(error, {
      columns: context.stderr.columns() ?? Number.POSITIVE_INFINITY,
      style: styleFor(context.stderr, context.env),
      command,
    }),
  );
  return exitCodeOf(error.kind);
}
