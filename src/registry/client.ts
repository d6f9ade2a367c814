import { type BlobId, isBuildError, type Reference, type RunContext } from '../core/index.ts';
import { createAuthorizer } from './authorizer.ts';
import { downloadBlob } from './blob-download.ts';
import { uploadBlob } from './blob-upload.ts';
import { createConcurrencyLimit } from './concurrency-limit.ts';
import { type Endpoint, hostEndpoint, originEndpoint, pullEndpoints } from './endpoint.ts';
import { createExchange, createTokenSender } from './exchange.ts';
import { fetchRepositories, fetchTags } from './lists.ts';
import { deleteManifest, fetchManifest, findManifest, resolveManifest } from './manifests.ts';
import { createRedactor } from './redact.ts';
import { fetchReferrers, putReferringManifest } from './referrers.ts';
import { SYSTEM_TIMING } from './retry.ts';
import { createSchemeResolver } from './scheme.ts';
import { pushScopes, repositoryScope } from './scope.ts';
import { createTransport, DEFAULT_TIMEOUTS } from './transport.ts';
import type { FetchedManifest, RegistryClient, RegistryClientOptions } from './types.ts';
import { findBlob } from './upload-session.ts';

const PARALLEL_TRANSFERS = 4;
const MAX_ATTEMPTS = 5;

/** A client of the OCI distribution protocol. It connects when it is first used; `close` ends what is still open. */
export function createRegistryClient(options: RegistryClientOptions): RegistryClient {
  const { hosts = {}, timing = SYSTEM_TIMING, maxAttempts = MAX_ATTEMPTS, env = process.env } = options;
  const redactor = createRedactor();
  const transport = createTransport({ timeouts: { ...DEFAULT_TIMEOUTS, ...options.timeouts }, env });
  const shared = { transport, redactor, timing, hosts, maxAttempts };
  const authorizer = createAuthorizer({ ...shared, credentials: options.credentials, send: createTokenSender(shared) });
  const exchange = createExchange({ ...shared, authorizer, schemes: createSchemeResolver(shared) });
  // Separate: a push may read what it sends from a pull.
  const pulls = createConcurrencyLimit(options.parallelTransfers ?? PARALLEL_TRANSFERS);
  const pushes = createConcurrencyLimit(options.parallelTransfers ?? PARALLEL_TRANSFERS);
  const distrusted = new Set<string>();

  const endpointsFor = (reference: Reference): readonly Endpoint[] =>
    pullEndpoints(hosts, reference).filter(({ kind, host }) => kind === 'origin' || !distrusted.has(host));
  const origin = (reference: Reference): { endpoint: Endpoint; reference: Reference } => ({
    endpoint: originEndpoint(hosts, reference),
    reference,
  });

  return {
    fetchManifest: (reference, context) =>
      firstOf(
        endpointsFor(reference),
        (endpoint) => fetchManifest({ exchange }, { endpoint, reference }, context),
        context,
      ),
    resolve: (reference, context) =>
      firstOf(
        endpointsFor(reference),
        (endpoint) => resolveManifest({ exchange }, { endpoint, reference }, context),
        context,
      ),
    findManifest: (reference, context) => {
      const at = origin(reference);
      return findManifest({ exchange }, { ...at, scopes: pushScopes(at.endpoint.repository) }, context);
    },
    fetchBlob: (reference, blob, context) => fetchBlob(reference, blob, context),
    hasBlob: (reference, blob, context) => {
      const { endpoint } = origin(reference);
      const scopes = [repositoryScope(endpoint.repository, 'pull')];
      return findBlob({ exchange, endpoint, reference, blob }, { scopes }, context);
    },
    pushBlob: async (reference, blob, open, { mountFrom = [] }, context) => {
      const leave = await pushes.enter(context.signal);
      try {
        const target = { exchange, blob, ...origin(reference) };
        return await uploadBlob({ timing, maxAttempts }, { target, open, mountFrom }, context);
      } finally {
        leave();
      }
    },
    pushManifest: (reference, manifest, context) => pushManifest(reference, manifest, context),
    listReferrers: (reference, context) => fetchReferrers({ exchange }, { ...origin(reference), reference }, context),
    listRepositories: (registry, context) => fetchRepositories({ exchange }, hostEndpoint(hosts, registry), context),
    listTags: (reference, context) => fetchTags({ exchange }, origin(reference), context),
    deleteManifest: (reference, context) => deleteManifest({ exchange }, origin(reference), context),
    ping: (registry, context) => ping(registry, context),
    close: () => transport.close(),
  };

  async function* fetchBlob(
    reference: Reference,
    blob: BlobId & { readonly offset?: number },
    context: RunContext,
  ): AsyncGenerator<Uint8Array> {
    const leave = await pulls.enter(context.signal);
    const distrust = (endpoint: Endpoint): void => {
      distrusted.add(endpoint.host);
    };
    try {
      const endpoints = endpointsFor({ ...reference, digest: blob.digest });
      yield* downloadBlob(
        { exchange, redactor, timing, maxAttempts, distrust },
        { reference, blob, offset: blob.offset ?? 0, endpoints },
        context,
      );
    } finally {
      leave();
    }
  }

  async function pushManifest(reference: Reference, manifest: FetchedManifest, context: RunContext): Promise<void> {
    const at = origin(reference);
    const { digest } = manifest.descriptor;
    const { digest: _, ...named } = reference;
    const target = reference.tag === undefined ? { ...named, digest } : named;
    const scopes = pushScopes(at.endpoint.repository);
    const existing = await findManifest({ exchange }, { ...at, reference: target, scopes }, context);
    if (existing?.digest === digest && existing.mediaType === manifest.descriptor.mediaType) return;
    await putReferringManifest({ exchange }, { ...at, reference: target, manifest }, context);
  }

  async function ping(registry: string, context: RunContext): Promise<void> {
    const endpoint = hostEndpoint(hosts, registry);
    const request = { purpose: `log in to ${registry}`, method: 'GET', target: '', scopes: [], expect: [200] } as const;
    await (await exchange.send(endpoint, request, context)).discard();
  }
}

/** The first endpoint's answer that is none of failure. The last one is the registry itself: its error is the one told. */
async function firstOf<T>(
  endpoints: readonly Endpoint[],
  ask: (endpoint: Endpoint) => Promise<T>,
  context: RunContext,
): Promise<T> {
  for (const [index, endpoint] of endpoints.entries()) {
    try {
      return await ask(endpoint);
    } catch (error) {
      if (index === endpoints.length - 1 || context.signal.aborted || isBuildError(error, 'CANCELLED')) throw error;
    }
  }
  throw new Error('a reference has at least one endpoint');
}
