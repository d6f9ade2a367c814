import type { Command } from './command.ts';

/** A verb that is loaded when it is used. */
export interface CommandEntry {
  readonly name: string;
  readonly summary: string;
  readonly load: () => Promise<Command>;
}

/** All verbs in the order of the overview. The summaries are repeated here so that the overview loads no command. */
export const COMMANDS: readonly CommandEntry[] = [
  {
    name: 'build',
    summary: 'Build an image from a Dockerfile',
    load: async () => (await import('./commands/build.ts')).buildCommand,
  },
];
