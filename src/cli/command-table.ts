import type { Command } from './command.ts';

/** A verb that is loaded when it is used. */
export interface CommandEntry {
  readonly name: string;
  readonly summary: string;
  readonly load: () => Promise<Command>;
}

/** All verbs in the order of the overview. The summaries stand here too, so that the overview loads no command. */
export const COMMANDS: readonly CommandEntry[] = [
  {
    name: 'build',
    summary: 'Build an image from a Dockerfile',
    load: async () => (await import('./commands/build.ts')).buildCommand,
  },
  {
    name: 'push',
    summary: 'Send an image from the store to its registry',
    load: async () => (await import('./commands/push.ts')).pushCommand,
  },
  {
    name: 'pull',
    summary: 'Fetch an image from a registry into the store',
    load: async () => (await import('./commands/pull.ts')).pullCommand,
  },
  {
    name: 'images',
    summary: 'List the images in the store',
    load: async () => (await import('./commands/images.ts')).imagesCommand,
  },
  {
    name: 'inspect',
    summary: 'Show everything about images, as JSON',
    load: async () => (await import('./commands/inspect.ts')).inspectCommand,
  },
  {
    name: 'history',
    summary: 'Show the steps that made an image',
    load: async () => (await import('./commands/history.ts')).historyCommand,
  },
  {
    name: 'tag',
    summary: 'Give an image another name',
    load: async () => (await import('./commands/tag.ts')).tagCommand,
  },
  {
    name: 'rmi',
    summary: 'Remove names of images',
    load: async () => (await import('./commands/rmi.ts')).rmiCommand,
  },
  {
    name: 'import',
    summary: "Make an image of a root file system's tar",
    load: async () => (await import('./commands/import.ts')).importCommand,
  },
  {
    name: 'save',
    summary: 'Write images to a tar that docker load, podman load and zlayer load take',
    load: async () => (await import('./commands/save.ts')).saveCommand,
  },
  {
    name: 'load',
    summary: 'Read images from a tar of docker save, podman save, skopeo or zlayer save',
    load: async () => (await import('./commands/load.ts')).loadCommand,
  },
  {
    name: 'du',
    summary: 'Show what the store holds and how large it is',
    load: async () => (await import('./commands/du.ts')).duCommand,
  },
  {
    name: 'prune',
    summary: 'Delete what is not needed from the store',
    load: async () => (await import('./commands/prune.ts')).pruneCommand,
  },
  {
    name: 'login',
    summary: 'Sign in to a registry',
    load: async () => (await import('./commands/login.ts')).loginCommand,
  },
  {
    name: 'logout',
    summary: 'Forget a sign-in to a registry',
    load: async () => (await import('./commands/logout.ts')).logoutCommand,
  },
  {
    name: 'completion',
    summary: 'Print a completion script for a shell',
    load: async () => (await import('./commands/completion.ts')).completionCommand,
  },
  {
    name: 'version',
    summary: 'Show the version of zlayer and of what it runs on',
    load: async () => (await import('./commands/version.ts')).versionCommand,
  },
];
