// Node 20 reads no TypeScript: a source of the checkout is bundled for one use.
import { rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

/** The checkout. */
export const root = join(dirname(fileURLToPath(import.meta.url)), '..');

/** Gives `use` the path of a module that holds a source file with all that it imports, and removes it afterwards. */
export async function useBundled(source, use, options = {}) {
  const bundle = join(root, 'node_modules/.cache', `zlayer-${basename(source, '.ts')}-${process.pid}.mjs`);
  try {
    await build({
      absWorkingDir: root,
      entryPoints: [source],
      outfile: bundle,
      bundle: true,
      platform: 'node',
      target: 'node20',
      format: 'esm',
      packages: 'external',
      logLevel: 'warning',
      ...options,
    });
    return await use(bundle);
  } finally {
    rmSync(bundle, { force: true });
  }
}
