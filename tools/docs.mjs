// Writes the generated pages of docs/: cli.md from the option tables, errors.md from the table of codes.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { root, useBundled } from './use-bundled.mjs';

await useBundled('src/cli/docs/pages.ts', async (bundle) => {
  const { formatPages } = await import(pathToFileURL(bundle).href);
  mkdirSync(join(root, 'docs'), { recursive: true });
  for (const [name, text] of Object.entries(await formatPages())) writeFileSync(join(root, 'docs', name), text);
});
