import { join, relative } from 'node:path';
import { type BuildRequest, build, isBuildError } from '../../src/index.ts';
import { flattenLayers } from '../support/flatten.ts';
import { readLayout } from '../support/oci-layout.ts';
import type { OurImage, Outcome } from './outcome.ts';
import type { PreparedCase } from './write-context.ts';

export interface OurBuilder {
  /** The store that all cases share. */
  readonly dataDir: string;
  /** Keeps the listings of layers that many images share. */
  readonly listings: string;
}

/** Builds a case with the library. An error of the library is an outcome; anything else that is thrown is a mistake. */
export async function buildOurs(builder: OurBuilder, each: PreparedCase, address?: string): Promise<Outcome<OurImage>> {
  const startedAt = Math.floor(Date.now() / 1000);
  try {
    const request = toRequest(builder, each, address);
    for (const [tag, path] of Object.entries(each.beforeFiles)) {
      const { context, dataDir } = request;
      await build({ context, dataDir: dataDir!, tags: [tag], dockerfile: { kind: 'path', path: path } });
    }
    const name = `localhost/${each.id}:latest`;
    const { warnings } = await build({ ...request, tags: [name] });
    // The store is an image layout that others read in place.
    const { config, layers } = readLayout(builder.dataDir, name);
    const tree = await flattenLayers(layers, builder.listings);
    return { kind: 'image', image: { tree, config, layers, startedAt, warnings: warnings.map(({ code }) => code) } };
  } catch (error) {
    if (!isBuildError(error)) throw error;
    return { kind: 'failure', code: error.code, message: error.message };
  }
}

function toRequest({ dataDir }: OurBuilder, each: PreparedCase, address: string | undefined): BuildRequest {
  const { target, platform, dockerfile, buildArgs, labels, secrets, buildContexts, addHosts } = each.options;
  return {
    context: { kind: 'directory', path: each.context },
    dataDir,
    ...(target === undefined ? {} : { target }),
    ...(platform === undefined ? {} : { platform }),
    ...(dockerfile === undefined
      ? {}
      : { dockerfile: { kind: 'path', path: relative('.', join(each.context, dockerfile)) } }),
    buildArgs: address === undefined ? buildArgs : { ...buildArgs, SERVER: address },
    labels,
    secrets: Object.fromEntries(Object.entries(secrets).map(([id, value]) => [id, { kind: 'value', value }])),
    buildContexts: Object.fromEntries(
      Object.entries(buildContexts).map(([name, at]) => [name, locate(each.context, at)]),
    ),
    addHosts: Object.entries(addHosts).map(([name, host]) => ({ name, address: host })),
    pull: 'never',
  };
}

/** A directory of the context; anything with a scheme is left alone. */
export function locate(context: string, place: string): string {
  return /^[a-z-]+:/.test(place) ? place : join(context, place);
}
