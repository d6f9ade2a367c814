// The command's files: `zlayer.cjs` starts, `command.cjs` holds all code of ours, `libraries/` a script for every library.
import { createHash } from 'node:crypto';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { bundleLibraries, bundleScript } from './bundle.mjs';

/** Writes them; `write-command.d.mts` says of what. */
export async function writeCommand({ root, version, out, plugins = [] }) {
  const define = { ZLAYER_VERSION: JSON.stringify(version) };
  const { text, libraries } = await bundleScript({ root, entry: 'src/cli/run-process.ts', define, plugins });
  const scripts = await bundleLibraries({ root, specifiers: libraries });
  mkdirSync(join(out, 'libraries'), { recursive: true });
  const digest = createHash('sha256').update(text);
  writeFileSync(join(out, 'command.cjs'), text);
  for (const [name, script] of Object.entries(scripts).sort()) {
    writeFileSync(join(out, 'libraries', name), script);
    digest.update(`\0${name}\0${script}`);
  }
  await build({
    absWorkingDir: root,
    entryPoints: ['src/cli/main.ts'],
    outfile: join(out, 'zlayer.cjs'),
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'cjs',
    define: { ...define, ZLAYER_SCRIPTS_DIGEST: JSON.stringify(digest.digest('hex').slice(0, 32)) },
    banner: { js: '#!/usr/bin/env node' },
    legalComments: 'none',
    logLevel: 'warning',
    minifySyntax: true,
    minifyWhitespace: true,
  });
  chmodSync(join(out, 'zlayer.cjs'), 0o755);
}
