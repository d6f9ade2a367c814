// The command's files: `zlayer.cjs` starts, `command/` holds all code of ours, `libraries/` what it takes from libraries.
// What every `zlayer build` of a local directory loads is one file, `command/build.pack.cjs`.
import { createHash } from 'node:crypto';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { bundleLibraries, bundleModules, packModules } from './bundle.mjs';

const START = 'src/cli/run-process.ts';

/** What such a build imports when it comes to it. A module that is missing here is loaded from a file of its own. */
const PACKED = [
  START,
  'src/cli/commands/build.ts',
  'src/backends/index.ts',
  'src/backends/needs/needs.ts',
  'src/backends/needs/refuse-unsupported.ts',
  'src/store/recover-boot.ts',
];

/** Writes them; `write-command.d.mts` says of what. */
export async function writeCommand({ root, version, out, plugins = [] }) {
  const define = { ZLAYER_VERSION: JSON.stringify(version) };
  const entryPoints = { 'run-process': START };
  const { modules, libraries, modulesOf } = await bundleModules({ root, entryPoints, define, plugins });
  const packed = new Set(PACKED.flatMap(modulesOf));
  const [inPack, apart] = [true, false].map((isPacked) =>
    Object.fromEntries(Object.entries(modules).filter(([name]) => packed.has(name) === isPacked)),
  );
  const command = { ...apart, 'build.pack.cjs': packModules(inPack) };
  const folders = { command, libraries: await bundleLibraries({ root, specifiers: libraries }) };
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
