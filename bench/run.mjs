// Bundles the benchmark (Node 20 reads no TypeScript) and starts it. `node bench/run.mjs --help` tells its options.
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const root = join(fileURLToPath(import.meta.url), '../..');
const outfile = join(root, 'node_modules/.cache/bench/main.mjs');
await build({
  absWorkingDir: root,
  entryPoints: ['bench/main.ts'],
  outfile,
  bundle: true,
  platform: 'node',
  target: 'node20',
  format: 'esm',
  // Paths are taken from the place of the source, not of the bundle.
  define: { 'import.meta.url': JSON.stringify(pathToFileURL(join(root, 'test/support/any.ts')).href) },
  logLevel: 'warning',
});
await import(pathToFileURL(outfile).href);
