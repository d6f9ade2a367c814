import { BuildError, type RunContext } from '../core/index.ts';
import type { Endpoint } from './endpoint.ts';
import type { RegistryRequest } from './exchange.ts';
import type { Located, ManifestDeps } from './manifests.ts';
import { repositoryScope } from './scope.ts';

const PAGE_LIMIT = 16 * 1024 * 1024;
const MOST_PAGES = 10_000;

/** All tags of a repository, in the registry's order; none for a repository that is not there. */
export function fetchTags(deps: ManifestDeps, { endpoint }: Located, context: RunContext): Promise<readonly string[]> {
  const list: PagedList = {
    endpoint,
    what: `the tags of ${endpoint.registry}/${endpoint.repository}`,
    target: `./${endpoint.repository}/tags/list`,
    scopes: [repositoryScope(endpoint.repository, 'pull')],
    key: 'tags',
  };
  return fetchList(deps, list, context);
}

/**
 * All repositories of a registry, in its order. Many public registries keep this list to themselves.
 *
 * @throws BuildError `UNSUPPORTED` where the registry has no such list.
 */
export async function fetchRepositories(
  deps: ManifestDeps,
  endpoint: Endpoint,
  context: RunContext,
): Promise<readonly string[]> {
  const what = `the repositories of ${endpoint.registry}`;
  const scopes = ['registry:catalog:*'];
  return fetchList(
    deps,
    { endpoint, what, target: './_catalog', scopes, key: 'repositories', mustExist: true },
    context,
  );
}

interface PagedList {
  readonly endpoint: Endpoint;
  /** For messages. */
  readonly what: string;
  /** Relative to `/v2/`. */
  readonly target: string;
  readonly scopes: readonly string[];
  /** The field of the answer that holds the list. */
  readonly key: string;
  readonly mustExist?: boolean;
}

async function fetchList(deps: ManifestDeps, list: PagedList, context: RunContext): Promise<readonly string[]> {
  const { endpoint, what, scopes, mustExist = false } = list;
  const items: string[] = [];
  let target: string | URL = list.target;
  for (let page = 0; page < MOST_PAGES; page += 1) {
    const request: RegistryRequest = {
      purpose: `list ${what}`,
      method: 'GET',
      target,
      headers: { accept: 'application/json' },
      scopes,
      expect: [200, 404],
    };
    const { response, bytes } = await deps.exchange.fetch(endpoint, { ...request, limit: PAGE_LIMIT }, context);
    if (response.status === 404 && mustExist) {
      throw new BuildError('UNSUPPORTED', `${endpoint.registry} does not list its repositories.`, {
        hint: 'List the tags of one with `zlayer registry tags REPOSITORY`.',
      });
    }
    if (response.status === 404) return items;
    items.push(...parseList(list, bytes));
    const next = nextPage(response.header('link'), response.url);
    if (next === undefined) return items;
    target = next;
  }
  throw new BuildError('REGISTRY_PROTOCOL', `${endpoint.registry} lists ${what} without end.`);
}

function parseList({ endpoint, what, key }: PagedList, bytes: Buffer): readonly string[] {
  try {
    const { [key]: items } = JSON.parse(bytes.toString('utf8')) as Readonly<Record<string, unknown>>;
    if (items === null || items === undefined) return [];
    if (Array.isArray(items) && items.every((item) => typeof item === 'string')) return items;
  } catch {}
  throw new BuildError('REGISTRY_PROTOCOL', `Could not list ${what}: ${endpoint.registry} sent no list of ${key}.`);
}

/** The target of `Link: <…>; rel="next"`, on the same origin. */
export function nextPage(header: string | undefined, base: URL): URL | undefined {
  const target = /<([^>]*)>\s*;[^,]*\brel="?next\b/i.exec(header ?? '')?.[1];
  if (target === undefined || !URL.canParse(target, base.href)) return undefined;
  const url = new URL(target, base);
  return url.host === base.host ? new URL(`${url.pathname}${url.search}`, base) : undefined;
}
