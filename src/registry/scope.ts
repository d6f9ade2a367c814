/**
 * Rights that a token is asked for, as the token protocol writes them: `type:name:action,action`. The name may hold
 * colons (a host with a port).
 */
export type Scope = string;

/** `repository:<name>:<actions>`. */
export function repositoryScope(repository: string, ...actions: readonly string[]): Scope {
  return `repository:${repository}:${actions.join(',')}`;
}

/** The rights that everything about a push is asked with, so that one token serves it all. */
export function pushScopes(repository: string): readonly Scope[] {
  return [repositoryScope(repository, 'pull', 'push')];
}

function splitScope(scope: Scope): { readonly resource: string; readonly actions: readonly string[] } {
  const colon = scope.lastIndexOf(':');
  return { resource: scope.slice(0, colon), actions: scope.slice(colon + 1).split(',') };
}

/** One scope per resource with the actions of all, in a canonical order. Texts that are no scopes are kept as they are. */
export function mergeScopes(scopes: readonly Scope[]): readonly Scope[] {
  const actionsByResource = new Map<string, Set<string>>();
  const opaque = new Set<string>();
  for (const scope of scopes) {
    if (scope.split(':').length < 3) {
      if (scope !== '') opaque.add(scope);
      continue;
    }
    const { resource, actions } = splitScope(scope);
    const known = actionsByResource.get(resource) ?? new Set<string>();
    for (const action of actions) known.add(action);
    actionsByResource.set(resource, known);
  }
  const merged = [...actionsByResource].map(([resource, actions]) => `${resource}:${[...actions].sort().join(',')}`);
  return [...merged, ...opaque].sort();
}
