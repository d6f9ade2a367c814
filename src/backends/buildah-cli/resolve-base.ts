import {
  BuildError,
  formatPlatform,
  formatReference,
  isBuildError,
  type Platform,
  parseReference,
  platformScore,
  type Reference,
  type RunContext,
} from '../../core/index.ts';
import type { BaseRequest, ResolvedBase } from '../../graph/index.ts';
import { platformOfConfig } from '../../oci/index.ts';
import { type RequestCredentials, withAuthFile } from './auth-file.ts';
import { callBuildah } from './call-buildah.ts';
import type { StoredImage } from './image-memory.ts';
import { importLayoutImage } from './import-layout-image.ts';
import { registryOptions } from './registry-options.ts';
import type { Buildah } from './run-buildah.ts';
import { readStoredImage, requireStoredImage } from './stored-image.ts';

/** A base image in buildah's storage. */
export interface BuildahBase extends ResolvedBase {
  /** buildah's id. */
  readonly id: string;
}

export interface ResolveDeps {
  readonly buildah: Buildah;
  /** For temporary files. */
  readonly workDir: string;
  readonly pull: 'missing' | 'always' | 'newer' | 'never';
  readonly credentials: RequestCredentials | undefined;
}

const LAYOUT_SCHEME = 'oci-layout://';

/**
 * Finds a base image by the pull policy: in buildah's storage, else in its registry.
 *
 * @throws BuildError `IMAGE_NOT_FOUND`, `PLATFORM_NOT_FOUND`, `IMAGE_INVALID`, `REGISTRY_*`, `REFERENCE_INVALID`.
 */
export async function resolveBase(deps: ResolveDeps, request: BaseRequest, context: RunContext): Promise<BuildahBase> {
  const { platform } = request;
  if (request.reference.startsWith(LAYOUT_SCHEME)) {
    const path = request.reference.slice(LAYOUT_SCHEME.length);
    const id = await importLayoutImage(deps, { path, platform }, context);
    return toBase(request.reference, await requireStoredImage(deps.buildah, id, context));
  }
  const reference = parseReference(request.reference);
  const local = await findLocal(deps.buildah, { reference, platform }, context);
  const asksAnew = (deps.pull === 'always' || deps.pull === 'newer') && reference.digest === undefined;
  if (local !== undefined && !asksAnew) return toBase(formatReference(reference), local);
  if (deps.pull === 'never') {
    throw new BuildError(
      'IMAGE_NOT_FOUND',
      `${request.reference} is not in buildah's storage, and pulling is switched off.`,
      {
        hint: `Run \`buildah pull ${request.reference}\`, or build without --pull=never.`,
      },
    );
  }
  try {
    return toBase(formatReference(reference), await pullImage(deps, { reference, platform }, context));
  } catch (thrown) {
    const mayUseOld = deps.pull === 'newer' && local !== undefined;
    if (mayUseOld && isBuildError(thrown) && thrown.kind === 'unavailable') {
      return toBase(formatReference(reference), local);
    }
    throw thrown;
  }
}

function toBase(reference: string, image: StoredImage): BuildahBase {
  return { reference, manifest: image.digest, config: image.config, id: image.id };
}

interface WantedImage {
  readonly reference: Reference;
  readonly platform: Platform;
}

/** The name by which buildah takes a reference: it refuses one with both tag and digest. */
export function nameForBuildah({ tag, ...reference }: Reference): string {
  return formatReference(reference.digest === undefined && tag !== undefined ? { ...reference, tag } : reference);
}

async function findLocal(
  buildah: Buildah,
  { reference, platform }: WantedImage,
  context: RunContext,
): Promise<StoredImage | undefined> {
  const image = await readStoredImage(buildah, nameForBuildah(reference), context).catch((error: unknown) => {
    // A name that stands for a manifest list is no image that a stage can begin with.
    if (isBuildError(error, 'BACKEND_FAILED') || isBuildError(error, 'PLATFORM_NOT_FOUND')) return undefined;
    throw error;
  });
  if (image === undefined) return undefined;
  return platformScore(platform, platformOfConfig(image.config)) > 0 ? image : undefined;
}

async function pullImage(deps: ResolveDeps, wanted: WantedImage, context: RunContext): Promise<StoredImage> {
  const { reference, platform } = wanted;
  const name = nameForBuildah(reference);
  const transfer = { kind: 'transfer', id: `pull ${name}`, direction: 'pull', name } as const;
  context.emit({ ...transfer, time: Date.now(), currentBytes: 0, done: false });
  const printed = await withAuthFile(deps.buildah.env, deps.credentials, (auth) => {
    const options = ['--quiet', '--policy', 'always', '--platform', formatPlatform(platform)];
    const args = ['pull', ...options, ...registryOptions(reference.registry), ...auth, `docker://${name}`];
    const subject = { action: `pull ${name}`, registry: reference.registry };
    return callBuildah(deps.buildah, { args, subject }, context);
  });
  const image = await requireStoredImage(deps.buildah, printed.trim(), context);
  const sizeBytes = image.manifest.layers.reduce((sum, layer) => sum + layer.size, 0);
  context.emit({ ...transfer, time: Date.now(), currentBytes: sizeBytes, totalBytes: sizeBytes, done: true });
  // A manifest without a list is taken for what it is: its builder may not have said rightly what it is for.
  return image;
}
