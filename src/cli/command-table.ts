import type { Command } from './command.ts';
import { backendsCommand } from './commands/backends.ts';
import { bakeCommand } from './commands/bake.ts';
import { buildCommand } from './commands/build.ts';
import { builddCommand } from './commands/buildd.ts';
import { builddTlsCommand } from './commands/buildd-tls.ts';
import { completionCommand } from './commands/completion.ts';
import { contextLsCommand } from './commands/context-ls.ts';
import { dockerfileFmtCommand } from './commands/dockerfile-fmt.ts';
import { dockerfileParseCommand } from './commands/dockerfile-parse.ts';
import { duCommand } from './commands/du.ts';
import { historyCommand } from './commands/history.ts';
import { imagesCommand } from './commands/images.ts';
import { importCommand } from './commands/import.ts';
import { inspectCommand } from './commands/inspect.ts';
import { loadCommand } from './commands/load.ts';
import { loginCommand } from './commands/login.ts';
import { logoutCommand } from './commands/logout.ts';
import { manifestAddCommand } from './commands/manifest-add.ts';
import { manifestAnnotateCommand } from './commands/manifest-annotate.ts';
import { manifestCreateCommand } from './commands/manifest-create.ts';
import { manifestInspectCommand } from './commands/manifest-inspect.ts';
import { manifestPushCommand } from './commands/manifest-push.ts';
import { manifestRemoveCommand } from './commands/manifest-remove.ts';
import { pruneCommand } from './commands/prune.ts';
import { pullCommand } from './commands/pull.ts';
import { pushCommand } from './commands/push.ts';
import { registryLsCommand } from './commands/registry-ls.ts';
import { registryRmCommand } from './commands/registry-rm.ts';
import { registryTagsCommand } from './commands/registry-tags.ts';
import { rmiCommand } from './commands/rmi.ts';
import { saveCommand } from './commands/save.ts';
import { tagCommand } from './commands/tag.ts';
import { versionCommand } from './commands/version.ts';

/** All verbs in the order of the overview. */
export const COMMANDS: readonly Command[] = [
  buildCommand,
  bakeCommand,
  backendsCommand,
  contextLsCommand,
  dockerfileFmtCommand,
  dockerfileParseCommand,
  pushCommand,
  pullCommand,
  imagesCommand,
  inspectCommand,
  historyCommand,
  tagCommand,
  rmiCommand,
  manifestCreateCommand,
  manifestAddCommand,
  manifestAnnotateCommand,
  manifestRemoveCommand,
  manifestInspectCommand,
  manifestPushCommand,
  importCommand,
  saveCommand,
  loadCommand,
  duCommand,
  pruneCommand,
  registryLsCommand,
  registryTagsCommand,
  registryRmCommand,
  loginCommand,
  logoutCommand,
  builddCommand,
  builddTlsCommand,
  completionCommand,
  versionCommand,
];
