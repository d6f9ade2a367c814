import { familiarReference, parseReference, type Reference } from '../../core/index.ts';
import { defineCommand } from '../command.ts';
import { usage } from '../options/values.ts';

/** `zlayer registry rm` */
export const registryRmCommand = defineCommand({
  name: 'registry rm',
  summary: 'Delete images from their registry',
  details: [
    'A tag names a manifest, and the manifest is what is deleted: other tags of the same image go with it. Layers stay until the registry collects its garbage.',
  ],
  positionals: { usage: 'NAME:TAG|NAME@DIGEST...', min: 1, max: Number.POSITIVE_INFINITY },
  options: {},
  examples: [{ text: 'Delete one image', line: 'zlayer registry rm registry.example.com/team/app:old' }],
  run: async ({ services, signal, stdout }, { positionals }) => {
    const references = positionals.map(parseNamed);
    await services.withRegistry({ signal, onEvent: () => undefined }, async (client, context) => {
      for (const reference of references) {
        const digest = reference.digest ?? (await client.resolve(reference, context)).digest;
        const { registry, repository } = reference;
        await client.deleteManifest({ registry, repository, digest }, context);
        stdout.write(`Deleted: ${familiarReference(reference)} (${digest})\n`);
      }
    });
    return undefined;
  },
});

/** What is deleted is named in full: `latest` is not implied. */
function parseNamed(text: string): Reference {
  if (/[@:][^/:]+$/.test(text)) return parseReference(text);
  throw usage(`"${text}" names no image: it has neither tag nor digest.`, `Write the tag: ${text}:TAG.`);
}
