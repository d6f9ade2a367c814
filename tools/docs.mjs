// Writes the generated pages of docs/: cli.md from the option tables, errors.md from the table of codes.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const bundle = join(root, 'node_modules/.cache', `zlayer-docs-${process.pid}.mjs`);
try {
  await build({
    absWorkingDir: root,
    entryPoints: ['src/cli/docs/pages.ts'],
    bundle: true,
    platform: 'node',
    format: 'esm',
    packages: 'external',
    outfile: bundle,
    logLevel: 'warning',
  });
  const { formatPages } = await import(pathToFileURL(bundle).href);
  mkdirSync(join(root, 'docs'), { recursive: true });
  for (const [name, text] of Object.entries(await formatPages())) writeFileSync(join(root, 'docs', name), text);
} finally {
  rmSync(bundle, { force: true });
}
