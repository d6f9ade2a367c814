import type { BuildBackend, ImageReceipt, ImageSummary, ManifestList } from '../../backends/index.ts';
import { formatPlatform, parseDigest, type RunContext } from '../../core/index.ts';
import type {
  BuildService,
  ImageSummarySchema,
  ManifestListSchema,
  MessageInput,
  PruneRequest,
  PushAuth,
  PushRequest,
  ReceiptSchema,
  ServedCall,
  ServiceImplementation,
} from '../../rpc/index.ts';
import type { PruneOptions, UsageItem } from '../../store/index.ts';
import type { WorkKind } from '../activity.ts';
import { parseFormat, unsupportedField } from '../request/parse-fields.ts';
import { readCompression } from '../request/read-compression.ts';
import { type CredentialsByHost, toCredential, toCredentials } from '../request/to-credentials.ts';
import { type DaemonState, doWork } from './daemon-state.ts';
import { registryOf, stripScheme } from './destination.ts';

type Methods = Pick<
  ServiceImplementation<typeof BuildService>,
  | 'push'
  | 'tag'
  | 'manifestCreate'
  | 'manifestAdd'
  | 'manifestPush'
  | 'manifestInspect'
  | 'manifestRemove'
  | 'listImages'
  | 'inspectImage'
  | 'removeImage'
  | 'prune'
>;

/** The methods about images and manifest lists in the daemon's store, which all clients share. */
export function createImageMethods(state: DaemonState): Methods {
  const use = <T>(
    kind: WorkKind,
    call: ServedCall,
    work: (backend: BuildBackend, context: RunContext) => Promise<T>,
  ): Promise<T> =>
    doWork(state, { kind, call }, async (signal) => work(await state.backend(), { signal, emit: () => undefined }));
  return {
    push: (request, call) =>
      use('push', call, async (backend, context) => {
        await requireFormat(backend, request, context);
        const receipt = await backend.pushImage(toPush(request), context);
        return { pushedDigest: receipt.digest, receipt: toReceipt(receipt) };
      }),
    tag: ({ image, newTag }, call) =>
      use('image', call, async (backend, context) => ({
        receipt: toReceipt(await backend.tagImage({ image, reference: newTag }, context)),
      })),
    manifestCreate: ({ name }, call) =>
      use('image', call, async (backend, context) => {
        const list = await backend.manifestCreate({ list: name }, context);
        return { listId: list.digest, list: toList(list) };
      }),
    manifestAdd: (request, call) =>
      use('image', call, async (backend, context) => {
        const { manifest, image, platform, annotations } = request;
        const credentials = toCredentials(request.credentials);
        const before = await backend.manifestInspect(manifest, context);
        const list = await backend.manifestAdd(
          {
            list: manifest,
            image: stripScheme(image),
            annotations,
            ...(platform === '' ? {} : { platform }),
            ...(credentials === undefined ? {} : { credentials }),
          },
          context,
        );
        return { imageDigest: addedDigest(before, list), list: toList(list) };
      }),
    manifestPush: ({ name, destination, all, auth, credentials }, call) =>
      use('push', call, async (backend, context) => {
        if (!all) throw unsupportedField('all', 'a list is pushed with all its members', 'Set all to true.');
        const target = destination === '' ? {} : { destination: stripScheme(destination) };
        const receipt = await backend.manifestPush(
          { list: name, ...target, ...signIn({ auth, credentials }, destination || name) },
          context,
        );
        return { pushedDigest: receipt.digest, receipt: toReceipt(receipt) };
      }),
    manifestInspect: ({ name }, call) =>
      use('image', call, async (backend, context) => ({ list: toList(await backend.manifestInspect(name, context)) })),
    manifestRemove: ({ name, digest }, call) =>
      use('image', call, async (backend, context) => ({
        list: toList(await backend.manifestRemove({ list: name, digest: parseDigest(digest) }, context)),
      })),
    listImages: (_, call) =>
      use('image', call, async (backend, context) => ({
        images: (await backend.listImages(context)).map(toSummary),
      })),
    inspectImage: ({ image }, call) =>
      use('image', call, async (backend, context) => {
        const { config, layers, ...summary } = await backend.inspectImage(image, context);
        return {
          summary: toSummary(summary),
          configJson: config === undefined ? new Uint8Array() : Buffer.from(JSON.stringify(config)),
          layersJson: Buffer.from(JSON.stringify(layers)),
        };
      }),
    removeImage: ({ reference }, call) =>
      use('image', call, async (backend, context) => {
        await backend.removeImage(reference, context);
        return {};
      }),
    prune: (request, call) =>
      use('image', call, async (backend, context) => {
        state.contexts.collect();
        const { freedBytes } = await backend.prune(toPruneOptions(request), context);
        return { freedBytes: BigInt(freedBytes) };
      }),
  };
}

/** The types of an image's documents were decided when it was built, and its digest holds for them. */
async function requireFormat(
  backend: BuildBackend,
  { image, format }: PushRequest,
  context: RunContext,
): Promise<void> {
  if (format === '') return;
  const wanted = parseFormat(format);
  const { mediaType } = await backend.inspectImage(image, context);
  if ((wanted === 'oci') === mediaType.startsWith('application/vnd.oci.')) return;
  throw unsupportedField('format', `the image was built with other types (${mediaType})`, 'Build it with this format.');
}

function toPush(request: PushRequest): Parameters<BuildBackend['pushImage']>[0] {
  const { image, destination, format, removeSignatures, byDigest } = request;
  // The types of an image's documents were decided when it was built, and its digest holds for them.
  if (format !== '')
    throw unsupportedField('format', 'an image is pushed as it was built', 'Build it with this format.');
  if (removeSignatures) throw unsupportedField('remove_signatures', 'images here have no signatures in them');
  return {
    image,
    ...(destination === '' ? {} : { destination: stripScheme(destination) }),
    ...(byDigest ? { byDigest } : {}),
    ...signIn(request, destination || image),
    ...readCompression(request),
  };
}

/** The sign-ins of a request: those by host, and the single one for the host that is pushed to. */
function signIn(
  {
    auth,
    credentials,
  }: { readonly auth?: PushAuth | undefined; readonly credentials: { readonly [host: string]: PushAuth } },
  destination: string,
): { readonly credentials?: CredentialsByHost } {
  const byHost = toCredentials(credentials);
  if (auth === undefined) return byHost === undefined ? {} : { credentials: byHost };
  return { credentials: { ...byHost, [registryOf(destination)]: toCredential(auth) } };
}

/** The member that is new; when the same one was there before, the last. */
function addedDigest(before: ManifestList, after: ManifestList): string {
  const known = new Set(before.members.map(({ digest }) => digest));
  return (after.members.find(({ digest }) => !known.has(digest)) ?? after.members.at(-1))?.digest ?? '';
}

function toPruneOptions(request: PruneRequest): PruneOptions {
  const { all, unusedSinceMs, kinds, maxUsedBytes, dryRun } = request;
  return {
    all,
    dryRun,
    ...(unusedSinceMs === 0n ? {} : { unusedSinceMs: Number(unusedSinceMs) }),
    ...(kinds.length === 0 ? {} : { kinds: kinds as readonly UsageItem['kind'][] }),
    ...(maxUsedBytes === 0n ? {} : { maxUsedBytes: Number(maxUsedBytes) }),
  };
}

function toReceipt({ reference, digest, mediaType, sizeBytes }: ImageReceipt): MessageInput<typeof ReceiptSchema> {
  return { reference, digest, mediaType, size: BigInt(sizeBytes) };
}

function toSummary(summary: ImageSummary): MessageInput<typeof ImageSummarySchema> {
  const { digest, configDigest, mediaType, references, platforms, sizeBytes, createdMs } = summary;
  return {
    digest,
    configDigest: configDigest ?? '',
    mediaType,
    references: [...references],
    platforms: platforms.map(formatPlatform),
    size: BigInt(sizeBytes),
    createdMs: BigInt(Math.trunc(createdMs ?? 0)),
  };
}

function toList(list: ManifestList): MessageInput<typeof ManifestListSchema> {
  return {
    receipt: toReceipt(list),
    members: list.members.map(({ digest, mediaType, sizeBytes, platform, annotations }) => ({
      digest,
      mediaType,
      size: BigInt(sizeBytes),
      platform: platform === undefined ? '' : formatPlatform(platform),
      annotations: { ...annotations },
    })),
  };
}
