// Makes dist/: the command (`zlayer.cjs`, with `command/` and `libraries/` that it loads when they are used) and the
// library (`index.js` with its declarations). Options: `--no-types` leaves out the declarations, `--only-command` also
// the library, `--out DIR` writes elsewhere.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';
import { writeCommand } from './write-command.mjs';

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

async function bundleLibrary() {
  if (!existsSync(join(root, 'src/index.ts'))) return;
  await build({
    absWorkingDir: root,
    entryPoints: { index: 'src/index.ts' },
    outdir: staging,
    chunkNames: 'chunks/[name]-[hash]',
    bundle: true,
    splitting: true,
    platform: 'node',
    target: 'node20',
    format: 'esm',
    define: { ZLAYER_VERSION: JSON.stringify(version) },
    external: Object.keys(dependencies),
    legalComments: 'none',
    logLevel: 'warning',
  });
}

function writeDeclarations() {
  if (!existsSync(join(root, 'src/index.ts'))) return;
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  const args = ['--project', 'tools/tsconfig.declarations.json', '--outDir', staging];
  const { status } = spawnSync(process.execPath, [tsc, ...args], { cwd: root, stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}

await writeCommand({ root, version, out: staging });
if (!flags['only-command']) await bundleLibrary();
if (!flags['only-command'] && !flags['no-types']) writeDeclarations();
rmSync(dist, { recursive: true, force: true });
cpSync(staging, dist, { recursive: true });
rmSync(staging, { recursive: true });
