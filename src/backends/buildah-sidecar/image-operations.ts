import { parseReference, type RunContext } from '../../core/index.ts';
import type { Env } from '../selection/host-facts.ts';
import type { BuildBackend, PushImageInput } from '../types.ts';
import { requireExtensions } from './capabilities.ts';
import type { CallOptions, Connection, Connector } from './connection.ts';
import { toImageDetails, toImageSummary, toManifestList, toReceipt } from './from-wire.ts';
import { collectSignIns, type SignIns, toAuths } from './sign-ins.ts';

type Operations = Pick<
  BuildBackend,
  | 'pushImage'
  | 'tagImage'
  | 'listImages'
  | 'inspectImage'
  | 'removeImage'
  | 'prune'
  | 'manifestCreate'
  | 'manifestAdd'
  | 'manifestRemove'
  | 'manifestInspect'
  | 'manifestPush'
>;

export interface OperationDeps {
  readonly connector: Connector;
  readonly env: Env;
}

/** May be asked twice without harm. */
const SAFE: CallOptions = { idempotent: true };
/** Asked once: the second time would answer otherwise. */
const ONCE: CallOptions = { idempotent: false };

/** Images and manifest lists where the daemon keeps them. */
export function createImageOperations({ connector, env }: OperationDeps): Operations {
  return {
    pushImage: async (input, context) => {
      const destination = input.destination ?? input.image;
      const signIns = await collectSignIns(env, { given: input.credentials, references: [destination] });
      return connector.call(
        (connection) => push(connection, { ...input, destination, signIns }, context),
        SAFE,
        context,
      );
    },
    tagImage: ({ image, reference }, context) =>
      connector.call(
        async ({ client, inspected }) => {
          const { receipt } = await client.tag({ image, newTag: reference }, context);
          if (receipt !== undefined || inspected.protocol > 0) return toReceipt(receipt);
          return unknownReceipt(reference);
        },
        SAFE,
        context,
      ),
    listImages: (context) =>
      connector.call(
        async ({ client, inspected }) => {
          requireExtensions(inspected, 'list its images');
          return (await client.listImages({}, context)).images.map(toImageSummary);
        },
        SAFE,
        context,
      ),
    inspectImage: (image, context) =>
      connector.call(
        async ({ client, inspected }) => {
          requireExtensions(inspected, 'show an image');
          return toImageDetails(await client.inspectImage({ image }, context));
        },
        SAFE,
        context,
      ),
    removeImage: (reference, context) =>
      connector.call(
        async ({ client, inspected }) => {
          requireExtensions(inspected, 'remove an image');
          await client.removeImage({ reference }, context);
        },
        ONCE,
        context,
      ),
    prune: (options, context) =>
      connector.call(
        async ({ client, inspected }) => {
          requireExtensions(inspected, 'remove what is not used');
          const { all = false, unusedSinceMs = 0, kinds = [], maxUsedBytes = 0, dryRun = false } = options;
          const request = {
            all,
            unusedSinceMs: BigInt(Math.trunc(unusedSinceMs)),
            kinds: [...kinds],
            maxUsedBytes: BigInt(maxUsedBytes),
            dryRun,
          };
          return { freedBytes: Number((await client.prune(request, context)).freedBytes) };
        },
        ONCE,
        context,
      ),
    ...createManifestOperations({ connector, env }),
  };
}

interface Push extends PushImageInput {
  readonly destination: string;
  readonly signIns: SignIns;
}

async function push({ client, inspected }: Connection, input: Push, { signal }: RunContext) {
  const {
    image,
    destination,
    signIns,
    compression,
    compressionLevel = 0,
    forceCompression = false,
    byDigest = false,
  } = input;
  const auths = toAuths(signIns);
  const request = { image, destination: `docker://${destination}`, compression: compression ?? '' };
  if (inspected.protocol === 0) {
    const { pushedDigest } = await client.push({ ...request, ...authOf(auths) }, { signal });
    return { ...unknownReceipt(destination), ...digestOf(pushedDigest) };
  }
  const extended = { ...request, credentials: auths, compressionLevel, forceCompression, byDigest };
  return toReceipt((await client.push(extended, { signal })).receipt);
}

/** The first protocol takes one sign-in, for the registry that is pushed to: no other is ever collected here. */
function authOf(auths: ReturnType<typeof toAuths>) {
  const [auth] = Object.values(auths);
  return auth === undefined ? {} : { auth };
}

/** A daemon of the first protocol does not tell what it has named. */
function unknownReceipt(reference: string) {
  return { reference: full(reference), digest: EMPTY, mediaType: '', sizeBytes: 0 } as const;
}

const EMPTY = `sha256:${'0'.repeat(64)}` as const;

function digestOf(text: string) {
  return /^sha256:[0-9a-f]{64}$/.test(text) ? ({ digest: text as `sha256:${string}` } as const) : {};
}

function full(reference: string): string {
  const { registry, repository, tag, digest } = parseReference(reference);
  return `${registry}/${repository}${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : `@${digest}`}`;
}

type ManifestOperations = Pick<
  BuildBackend,
  'manifestCreate' | 'manifestAdd' | 'manifestRemove' | 'manifestInspect' | 'manifestPush'
>;

function createManifestOperations({ connector, env }: OperationDeps): ManifestOperations {
  return {
    manifestCreate: ({ list }, context) =>
      connector.call(
        async ({ client, inspected }) => {
          const created = await client.manifestCreate({ name: list }, context);
          if (inspected.protocol > 0) return toManifestList(created.list);
          return { ...unknownReceipt(list), ...digestOf(created.listId), members: [] };
        },
        ONCE,
        context,
      ),
    manifestAdd: async (input, context) => {
      const { list, image, platform = '', annotations = {} } = input;
      const signIns = await collectSignIns(env, { given: input.credentials, references: [image] });
      return connector.call(
        async ({ client, inspected }) => {
          const credentials = toAuths(signIns);
          const request = { manifest: list, image, platform, annotations: { ...annotations }, credentials };
          if (inspected.protocol === 0 && (platform !== '' || Object.keys(annotations).length > 0)) {
            requireExtensions(inspected, 'set the platform or annotations of a member');
          }
          const added = await client.manifestAdd(request, context);
          if (inspected.protocol > 0) return toManifestList(added.list);
          return { ...unknownReceipt(list), members: [] };
        },
        SAFE,
        context,
      );
    },
    manifestRemove: ({ list, digest }, context) =>
      connector.call(
        async ({ client, inspected }) => {
          requireExtensions(inspected, 'remove a member of a list');
          return toManifestList((await client.manifestRemove({ name: list, digest }, context)).list);
        },
        ONCE,
        context,
      ),
    manifestInspect: (list, context) =>
      connector.call(
        async ({ client, inspected }) => {
          requireExtensions(inspected, 'show a list');
          return toManifestList((await client.manifestInspect({ name: list }, context)).list);
        },
        SAFE,
        context,
      ),
    manifestPush: async ({ list, destination = list, credentials }, context) => {
      const signIns = await collectSignIns(env, { given: credentials, references: [destination] });
      return connector.call(
        async ({ client, inspected }) => {
          const auths = toAuths(signIns);
          const request = { name: list, destination: `docker://${destination}`, all: true };
          if (inspected.protocol === 0) {
            const { pushedDigest } = await client.manifestPush({ ...request, ...authOf(auths) }, context);
            return { ...unknownReceipt(destination), ...digestOf(pushedDigest) };
          }
          return toReceipt((await client.manifestPush({ ...request, credentials: auths }, context)).receipt);
        },
        SAFE,
        context,
      );
    },
  };
}
