import type { BuildRequestSchema, MessageInput } from '../../rpc/index.ts';
import { listAnnotations } from '../request/annotations.ts';
import type { AnnotationInput, BuildRequest, LoadedRequest } from '../types.ts';
import type { SentCaches } from './send-caches.ts';
import { type SignIns, toAuths } from './sign-ins.ts';

/** A build request as it is sent. */
export type WireRequest = MessageInput<typeof BuildRequestSchema>;

/** Where the daemon finds the files of a build. */
export interface SentContexts {
  /** Digest of an uploaded tree, or a directory that the daemon sees; neither for an empty context. */
  readonly context: { readonly tree: string } | { readonly directory: string } | undefined;
  /** Named contexts, in the words of the protocol. */
  readonly named: Readonly<Record<string, string>>;
}

export interface ToBuildRequestInput {
  readonly requestId: string;
  readonly loaded: LoadedRequest;
  readonly contexts: SentContexts;
  readonly caches: SentCaches;
  readonly signIns: SignIns;
  readonly planOnly: boolean;
}

const PULL_POLICIES = { missing: 'missing', always: 'always', newer: 'ifnewer', never: 'never' } as const;

/** Everything that a request says, in the words of the protocol with its extensions. Values of secrets are not among it. */
export function toBuildRequest(input: ToBuildRequestInput): WireRequest {
  const { loaded, contexts, caches, signIns, planOnly } = input;
  const { request, dockerfile } = loaded;
  const { context } = contexts;
  return {
    ...toOldFields(input.requestId, request),
    contextDir: context !== undefined && 'directory' in context ? context.directory : '',
    extension: {
      dockerfile: Buffer.from(dockerfile.text),
      dockerfileName: dockerfile.fileName,
      contextTree: context !== undefined && 'tree' in context ? context.tree : '',
      buildContexts: { ...contexts.named },
      noCacheFilter: [...(request.noCacheFilter ?? [])],
      network: request.network ?? '',
      allow: [...(request.allow ?? [])],
      parallelism: request.parallelism ?? 0,
      strict: request.strict ?? false,
      credentials: toAuths(signIns),
      secretIds: Object.keys(request.secrets ?? {}),
      sshIds: Object.keys(request.ssh ?? {}),
      project: loaded.project,
      epochSet: request.sourceDateEpoch !== undefined,
      planOnly,
      squashSince: typeof request.squash === 'object' ? request.squash.since : '',
      annotations: listAnnotations(request)
        .filter((annotation) => !isPlain(annotation))
        .map(({ key, value, level = '', platform = '' }) => ({ key, value, level, platform })),
      ...caches,
    },
  };
}

/** What the first protocol has words for. */
export function toOldFields(requestId: string, request: BuildRequest) {
  return {
    requestId,
    tags: [...(request.tags ?? [])],
    platforms: (request.platform ?? '')
      .split(',')
      .map((platform) => platform.trim())
      .filter((platform) => platform !== ''),
    buildArgs: { ...request.buildArgs },
    targetStage: request.target ?? '',
    hostNetwork: request.network === 'host',
    noCache: request.noCache ?? false,
    squash: request.squash === true,
    layers: true,
    format: request.format ?? 'oci',
    pullPolicy: PULL_POLICIES[request.pull ?? 'missing'],
    labels: toPairs(request.labels),
    annotations: listAnnotations(request)
      .filter(isPlain)
      .map(({ key, value }) => `${key}=${value}`),
    addHosts: (request.addHosts ?? []).map(({ name, address }) => `${name}:${address}`),
    shmSize: request.shmSizeBytes === undefined ? '' : String(request.shmSizeBytes),
    ulimits: (request.ulimits ?? []).map(({ name, soft, hard }) => `${name}=${soft}:${hard}`),
    sourceDateEpoch: BigInt(request.sourceDateEpoch ?? 0),
    rewriteTimestamp: request.rewriteTimestamp ?? false,
  };
}

/** For every manifest, as the first protocol has them. */
function isPlain({ level = 'manifest', platform }: AnnotationInput): boolean {
  return level === 'manifest' && platform === undefined;
}

function toPairs(pairs: Readonly<Record<string, string>> = {}): string[] {
  return Object.entries(pairs).map(([key, value]) => `${key}=${value}`);
}
