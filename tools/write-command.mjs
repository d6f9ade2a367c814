// The command's files: `zlayer.cjs` starts, `command/` holds all code of ours, `libraries/` what it takes from libraries.
import { createHash } from 'node:crypto';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { bundleLibraries, bundleModules } from './bundle.mjs';

/** Writes them; `write-command.d.mts` says of what. */
export async function writeCommand({ root, version, out, plugins = [] }) {
  const define = { ZLAYER_VERSION: JSON.stringify(version) };
  const entryPoints = { 'run-process': 'src/cli/run-process.ts' };
  const { modules, libraries } = await bundleModules({ root, entryPoints, define, plugins });
  const folders = { command: modules, libraries: await bundleLibraries({ root, specifiers: libraries }) };
  for (const [folder, files] of Object.entries(folders)) {
    mkdirSync(join(out, folder), { recursive: true });
    for (const [name, text] of Object.entries(files)) writeFileSync(join(out, folder, name), text);
  }
  const digest = createHash('sha256').update(JSON.stringify(folders)).digest('hex').slice(0, 32);
  await build({
    absWorkingDir: root,
    entryPoints: ['src/cli/main.ts'],
    outfile: join(out, 'zlayer.cjs'),
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'cjs',
    define: { ...define, ZLAYER_MODULES_DIGEST: JSON.stringify(digest) },
    banner: { js: '#!/usr/bin/env node' },
    legalComments: 'none',
    logLevel: 'warning',
    minifySyntax: true,
    minifyWhitespace: true,
  });
  chmodSync(join(out, 'zlayer.cjs'), 0o755);
}
