import type { BuildBackend, ManifestList } from '../../backends/index.ts';
import { isBuildError, type RunContext } from '../../core/index.ts';
import { defineCommand } from '../command.ts';
import { printList, withLists } from '../images/manifest-list.ts';
import { BACKEND_OPTION, DATA_DIR_OPTION, FORMAT_OPTION } from '../options/shared-options.ts';

/** `zlayer manifest create` */
export const manifestCreateCommand = defineCommand({
  name: 'manifest create',
  summary: 'Begin a manifest list, the name under which a registry offers an image for several platforms',
  details: [
    'A build with several platforms makes such a list by itself. This puts one together of images that were built apart: images of the store, or of a registry, which are fetched.',
  ],
  positionals: { usage: 'LIST [IMAGE...]', min: 1, max: Number.POSITIVE_INFINITY, complete: 'image' },
  options: {
    amend: { kind: 'boolean', short: 'a', help: 'Go on with a list of that name, if there is one' },
    ...FORMAT_OPTION,
    ...BACKEND_OPTION,
    ...DATA_DIR_OPTION,
  },
  examples: [
    { text: 'An empty list', line: 'zlayer manifest create registry.example.com/team/app:1.0' },
    { text: 'Of two images', line: 'zlayer manifest create app:1.0 app:1.0-amd64 app:1.0-arm64' },
  ],
  run: async (context, { values, positionals: [list, ...images] }) => {
    const made = await withLists(context, values, async (backend, inner) => {
      const found = values.amend ? await findList(backend, list!, inner) : undefined;
      let current = found ?? (await backend.manifestCreate({ list: list! }, inner));
      for (const image of images) current = await backend.manifestAdd({ list: list!, image }, inner);
      return current;
    });
    printList(context, made, values.format);
    return undefined;
  },
});

async function findList(backend: BuildBackend, list: string, context: RunContext): Promise<ManifestList | undefined> {
  try {
    return await backend.manifestInspect(list, context);
  } catch (error) {
    if (isBuildError(error, 'IMAGE_NOT_FOUND')) return undefined;
    throw error;
  }
}
