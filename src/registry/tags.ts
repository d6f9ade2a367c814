import { BuildError, formatReference, type RunContext } from '../core/index.ts';
import type { RegistryRequest } from './exchange.ts';
import type { Located, ManifestDeps } from './manifests.ts';
import { repositoryScope } from './scope.ts';

const PAGE_LIMIT = 16 * 1024 * 1024;
const MOST_PAGES = 10_000;

/** All tags of a repository, in the registry's order; none for a repository that is not there. */
export async function fetchTags(deps: ManifestDeps, at: Located, context: RunContext): Promise<readonly string[]> {
  const { endpoint } = at;
  const tags: string[] = [];
  let target: string | URL = `./${endpoint.repository}/tags/list`;
  for (let page = 0; page < MOST_PAGES; page += 1) {
    const request: RegistryRequest = {
      purpose: `list the tags of ${endpoint.registry}/${endpoint.repository}`,
      method: 'GET',
      target,
      headers: { accept: 'application/json' },
      scopes: [repositoryScope(endpoint.repository, 'pull')],
      expect: [200, 404],
    };
    const { response, bytes } = await deps.exchange.fetch(endpoint, { ...request, limit: PAGE_LIMIT }, context);
    if (response.status === 404) return tags;
    tags.push(...parseTags(at, bytes));
    const next = nextPage(response.header('link'), response.url);
    if (next === undefined) return tags;
    target = next;
  }
  throw new BuildError(
    'REGISTRY_PROTOCOL',
    `${endpoint.registry} lists the tags of ${endpoint.repository} without end.`,
  );
}

function parseTags({ endpoint, reference }: Located, bytes: Buffer): readonly string[] {
  try {
    const { tags } = JSON.parse(bytes.toString('utf8')) as { readonly tags?: unknown };
    if (tags === null || tags === undefined) return [];
    if (Array.isArray(tags) && tags.every((tag) => typeof tag === 'string')) return tags;
  } catch {}
  throw new BuildError(
    'REGISTRY_PROTOCOL',
    `Could not list the tags of ${formatReference(reference)}: ${endpoint.registry} sent no list of tags.`,
  );
}

/** The target of `Link: <…>; rel="next"`, on the same origin. */
function nextPage(header: string | undefined, base: URL): URL | undefined {
  const target = /<([^>]*)>\s*;[^,]*\brel="?next\b/i.exec(header ?? '')?.[1];
  if (target === undefined || !URL.canParse(target, base.href)) return undefined;
  const url = new URL(target, base);
  return url.host === base.host ? new URL(`${url.pathname}${url.search}`, base) : undefined;
}
