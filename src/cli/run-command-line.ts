import { type BuildError, exitCodeOf, toBuildError } from '../core/index.ts';
import type { Command, CommandContext, TextOutput } from './command.ts';
import { COMMAND_NAMES, loadCommand, loadCommands } from './command-table.ts';
import { COMPLETE_VERB } from './completion/complete-verb.ts';
import { findName, namesOfGroup } from './find-command.ts';
import type { HelpLayout } from './help.ts';
import { nearestName } from './options/nearest-name.ts';
import { parseOptions } from './options/parse-options.ts';
import { usage } from './options/values.ts';
import { formatError } from './report/format-error.ts';
import { styleFor } from './terminal/style.ts';

const MAX_TEXT_COLUMNS = 100;
const DEFAULT_COLUMNS = 80;

/** Runs a command line to its exit status. Every error is printed here, once; nothing is thrown. */
export async function runCommandLine(context: CommandContext, args: readonly string[]): Promise<number> {
  try {
    return await dispatch(context, args);
  } catch (thrown) {
    return reportError(context, thrown, findName(COMMAND_NAMES, args)?.name);
  }
}

async function dispatch(context: CommandContext, args: readonly string[]): Promise<number> {
  const [verb, ...rest] = args;
  if (verb === undefined) {
    await printOverview(context, context.stderr);
    return exitCodeOf('usage');
  }
  if (verb === 'help' || verb === '--help' || verb === '-h') return runHelp(context, rest);
  if (verb === COMPLETE_VERB) {
    const { printCompletion } = await import('./completion/print-completion.ts');
    await printCompletion(context, await loadCommands(), rest);
    return 0;
  }
  const found = findName(COMMAND_NAMES, args);
  if (found === undefined) return runGroup(context, verb, rest);
  const command = await loadCommand(found.name);
  const input = parseOptions(command.options, found.rest);
  if (input.wantsHelp) {
    await printHelp(context, command);
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
  const nearest = nearestName(verb, COMMAND_NAMES);
  return usage(
    `There is no command "${verb}".`,
    nearest === undefined ? 'See `zlayer help`.' : `Did you mean "zlayer ${nearest}"?`,
  );
}

/** A group alone, or with `--help`, lists its commands. */
async function runGroup(context: CommandContext, verb: string, [word]: readonly string[]): Promise<number> {
  const members = namesOfGroup(COMMAND_NAMES, verb);
  if (members.length === 0) throw unknownCommand(verb);
  const isHelp = word === '--help' || word === '-h';
  if (word !== undefined && !isHelp) throw unknownCommand(`${verb} ${word}`);
  const output = isHelp ? context.stdout : context.stderr;
  await printOverview(context, output, members);
  return isHelp ? 0 : exitCodeOf('usage');
}

async function runHelp(context: CommandContext, words: readonly string[]): Promise<number> {
  const [verb] = words;
  if (verb === undefined || verb.startsWith('-')) {
    await printOverview(context, context.stdout);
    return 0;
  }
  const found = findName(COMMAND_NAMES, words);
  if (found === undefined) return runGroup(context, verb, [words[1] ?? '--help']);
  await printHelp(context, await loadCommand(found.name));
  return 0;
}

async function printHelp(context: CommandContext, command: Command): Promise<void> {
  const { formatCommandHelp } = await import('./help.ts');
  context.stdout.write(formatCommandHelp(command, layoutOf(context, context.stdout)));
}

async function printOverview(context: CommandContext, output: TextOutput, names = COMMAND_NAMES): Promise<void> {
  const { formatOverview } = await import('./help.ts');
  output.write(formatOverview(await loadCommands(names), layoutOf(context, output)));
}

function layoutOf(context: CommandContext, output: TextOutput): HelpLayout {
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
