// Bundles the benchmark (Node 20 reads no TypeScript) and starts it. `node bench/run.mjs --help` tells its options.
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { root, useBundled } from '../tools/use-bundled.mjs';

// Paths are taken from the place of the source, not of the bundle.
const define = { 'import.meta.url': JSON.stringify(pathToFileURL(join(root, 'test/support/any.ts')).href) };
await useBundled('bench/main.ts', (bundle) => import(pathToFileURL(bundle).href), { define });
