import type { Command } from './command.ts';

/** A command with the words that follow its name. */
export interface FoundCommand {
  readonly command: Command;
  readonly rest: readonly string[];
}

/** The command that a line of words begins with. A name may have two words, such as `dockerfile fmt`. */
export function findCommand(commands: readonly Command[], words: readonly string[]): FoundCommand | undefined {
  for (const length of [2, 1]) {
    const name = words.slice(0, length).join(' ');
    const command = words.length < length ? undefined : commands.find((known) => known.name === name);
    if (command !== undefined) return { command, rest: words.slice(length) };
  }
  return undefined;
}

/** The commands whose names begin with a word and have another: those of a group. */
export function commandsOfGroup(commands: readonly Command[], group: string): readonly Command[] {
  return commands.filter(({ name }) => name.startsWith(`${group} `));
}
