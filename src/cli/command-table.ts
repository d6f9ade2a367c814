import type { Command } from './command.ts';

/** All verbs in the order of the overview, and where they are: a start loads the one that it runs. */
const LOADERS = {
  build: async () => (await import('./commands/build.ts')).buildCommand,
  bake: async () => (await import('./commands/bake.ts')).bakeCommand,
  backends: async () => (await import('./commands/backends.ts')).backendsCommand,
  'context ls': async () => (await import('./commands/context-ls.ts')).contextLsCommand,
  'dockerfile fmt': async () => (await import('./commands/dockerfile-fmt.ts')).dockerfileFmtCommand,
  'dockerfile parse': async () => (await import('./commands/dockerfile-parse.ts')).dockerfileParseCommand,
  push: async () => (await import('./commands/push.ts')).pushCommand,
  pull: async () => (await import('./commands/pull.ts')).pullCommand,
  copy: async () => (await import('./commands/copy.ts')).copyCommand,
  images: async () => (await import('./commands/images.ts')).imagesCommand,
  inspect: async () => (await import('./commands/inspect.ts')).inspectCommand,
  history: async () => (await import('./commands/history.ts')).historyCommand,
  tag: async () => (await import('./commands/tag.ts')).tagCommand,
  rmi: async () => (await import('./commands/rmi.ts')).rmiCommand,
  'manifest create': async () => (await import('./commands/manifest-create.ts')).manifestCreateCommand,
  'manifest add': async () => (await import('./commands/manifest-add.ts')).manifestAddCommand,
  'manifest annotate': async () => (await import('./commands/manifest-annotate.ts')).manifestAnnotateCommand,
  'manifest remove': async () => (await import('./commands/manifest-remove.ts')).manifestRemoveCommand,
  'manifest inspect': async () => (await import('./commands/manifest-inspect.ts')).manifestInspectCommand,
  'manifest push': async () => (await import('./commands/manifest-push.ts')).manifestPushCommand,
  import: async () => (await import('./commands/import.ts')).importCommand,
  save: async () => (await import('./commands/save.ts')).saveCommand,
  load: async () => (await import('./commands/load.ts')).loadCommand,
  du: async () => (await import('./commands/du.ts')).duCommand,
  prune: async () => (await import('./commands/prune.ts')).pruneCommand,
  'registry ls': async () => (await import('./commands/registry-ls.ts')).registryLsCommand,
  'registry tags': async () => (await import('./commands/registry-tags.ts')).registryTagsCommand,
  'registry rm': async () => (await import('./commands/registry-rm.ts')).registryRmCommand,
  login: async () => (await import('./commands/login.ts')).loginCommand,
  logout: async () => (await import('./commands/logout.ts')).logoutCommand,
  buildd: async () => (await import('./commands/buildd.ts')).builddCommand,
  'buildd tls': async () => (await import('./commands/buildd-tls.ts')).builddTlsCommand,
  completion: async () => (await import('./commands/completion.ts')).completionCommand,
  version: async () => (await import('./commands/version.ts')).versionCommand,
} satisfies Readonly<Record<string, () => Promise<Command>>>;

/** The name of a verb: that which its `Command` says. */
export type CommandName = keyof typeof LOADERS;

export const COMMAND_NAMES = Object.keys(LOADERS) as readonly CommandName[];

export function loadCommand(name: CommandName): Promise<Command> {
  return LOADERS[name]();
}

/** All of them, in the order of the overview: for help, completion and the reference page. */
export function loadCommands(names: readonly CommandName[] = COMMAND_NAMES): Promise<readonly Command[]> {
  return Promise.all(names.map(loadCommand));
}
