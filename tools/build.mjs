// Makes dist/: the command (`zlayer.js` with the chunks that it loads when they are used) and the library (`index.js`
// with its declarations). Options: `--no-types` leaves out the declarations, `--only-command` also the library,
// `--out DIR` writes elsewhere.
import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
// Filled first and copied at the end: a build that fails leaves what was there.
const staging = join(root, 'node_modules/.cache', `zlayer-dist-${process.pid}`);
const { version, dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const { values: flags } = parseArgs({
  options: {
    'no-types': { type: 'boolean', default: false },
    'only-command': { type: 'boolean', default: false },
    out: { type: 'string', default: join(root, 'dist') },
  },
});
const dist = resolve(flags.out);

const shared = {
  absWorkingDir: root,
  bundle: true,
  platform: 'node',
  target: 'node20',
  format: 'esm',
  splitting: true,
  outdir: staging,
  chunkNames: 'chunks/[name]-[hash]',
  define: { ZLAYER_VERSION: JSON.stringify(version) },
  legalComments: 'none',
  logLevel: 'warning',
};

// CommonJS packages (undici) ask for Node's own modules by `require`, which an ES module does not have.
const requireForCommonJs =
  "import { createRequire as zlayerRequire } from 'node:module'; const require = zlayerRequire(import.meta.url);";

// A CommonJS package that is imported when it is used has other exports in esbuild's chunks than in Node: give it Node's.
const namedExports = {
  name: 'named-exports',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^(undici|xz-decompress)$/ }, ({ path, kind }) =>
      kind === 'dynamic-import' ? { path, namespace: 'named-exports' } : undefined,
    );
    onLoad({ filter: /.*/, namespace: 'named-exports' }, async ({ path }) => {
      const names = Object.keys(await import(path)).filter((name) => !/^(default|__esModule|.*\W.*)$/.test(name));
      const contents = `const all = require('${path}'); export default all; export const { ${names.join(', ')} } = all;`;
      return { contents, resolveDir: root };
    });
  },
};

async function bundleCommand() {
  await build({
    ...shared,
    entryPoints: { zlayer: 'src/cli/main.ts' },
    plugins: [namedExports],
    banner: { js: `#!/usr/bin/env node\n${requireForCommonJs}` },
    minifySyntax: true,
    minifyWhitespace: true,
  });
  chmodSync(join(staging, 'zlayer.js'), 0o755);
}

async function bundleLibrary() {
  if (!existsSync(join(root, 'src/index.ts'))) return;
  await build({
    ...shared,
    entryPoints: { index: 'src/index.ts' },
    external: Object.keys(dependencies),
  });
}

function writeDeclarations() {
  if (!existsSync(join(root, 'src/index.ts'))) return;
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  const args = ['--project', 'tools/tsconfig.declarations.json', '--outDir', staging];
  const { status } = spawnSync(process.execPath, [tsc, ...args], { cwd: root, stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}

await bundleCommand();
if (!flags['only-command']) await bundleLibrary();
if (!flags['only-command'] && !flags['no-types']) writeDeclarations();
rmSync(dist, { recursive: true, force: true });
cpSync(staging, dist, { recursive: true });
rmSync(staging, { recursive: true });
