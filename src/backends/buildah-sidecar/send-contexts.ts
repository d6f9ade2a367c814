import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { RunContext } from '../../core/index.ts';
import type { Store } from '../../store/index.ts';
import type { LoadedRequest } from '../types.ts';
import { type SidecarConfiguration, toGuestPath } from './configuration.ts';
import { listLayout } from './list-layout.ts';
import { listTree } from './list-tree.ts';
import { type SendTreeDeps, sendTree } from './send-tree.ts';
import type { SentContexts } from './to-build-request.ts';

export interface SendContextsDeps extends SendTreeDeps {
  readonly store: Store;
  readonly configuration: () => SidecarConfiguration;
}

/** Uploads the contexts of a build that are directories or image layouts of this host, and names the others. */
export async function sendContexts(
  deps: SendContextsDeps,
  loaded: LoadedRequest,
  context: RunContext,
): Promise<SentContexts> {
  const named: Record<string, string> = {};
  for (const name of Object.keys(loaded.request.buildContexts ?? {})) {
    named[name] = await sendNamed(deps, { loaded, name }, context);
  }
  if (loaded.context.directory === undefined) return { context: undefined, named };
  const seen = await seenByDaemon(deps, loaded, context);
  if (seen !== undefined) return { context: { directory: seen }, named };
  const listed = await listTree(deps.store, loaded.context, context);
  return { context: { tree: await sendTree(deps, { tree: listed, name: 'build context' }, context) }, named };
}

const LAYOUT = 'oci-layout://';

/** A named context as the protocol has it. */
async function sendNamed(
  deps: SendContextsDeps,
  { loaded, name }: { readonly loaded: LoadedRequest; readonly name: string },
  context: RunContext,
): Promise<string> {
  const value = loaded.request.buildContexts?.[name] ?? '';
  const sent = { name: `build context ${name}` };
  if (value.startsWith(LAYOUT)) {
    const { parseLayoutName } = await import('../../outputs/index.ts');
    const layout = parseLayoutName(value.slice(LAYOUT.length));
    const tree = await sendTree(deps, { ...sent, tree: await listLayout(layout) }, context);
    const [tag, digest] = [layout.tag, layout.digest].map((part) => part ?? '');
    return `layout:${tree}${tag && `:${tag}`}${digest && `@${digest}`}`;
  }
  const directory = loaded.directories.get(name);
  if (directory?.directory === undefined) return value;
  return `tree:${await sendTree(deps, { ...sent, tree: await listTree(deps.store, directory, context) }, context)}`;
}

/**
 * Where the daemon sees the context itself, which spares sending it. It reads `.dockerignore` there: a Dockerfile with an
 * ignore file of its own has its context sent.
 */
async function seenByDaemon(
  { configuration, connector }: SendContextsDeps,
  { context: { directory = '' }, dockerfile }: LoadedRequest,
  context: RunContext,
): Promise<string | undefined> {
  const { contextMount } = configuration();
  const path = contextMount === undefined ? undefined : toGuestPath(contextMount, directory);
  if (path === undefined) return undefined;
  if (existsSync(join(directory, `${basename(dockerfile.fileName)}.dockerignore`))) return undefined;
  const { inspected } = await connector.connect(context);
  const isAllowed = inspected.allowedContexts.some(
    (allowed) => path === allowed || path.startsWith(allowed.endsWith('/') ? allowed : `${allowed}/`),
  );
  return isAllowed ? path : undefined;
}
