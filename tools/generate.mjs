// Makes src/rpc/generated/ from src/rpc/proto/. Works without a network. `--out DIR` writes elsewhere.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const { values: flags } = parseArgs({ options: { out: { type: 'string', default: join(root, 'src/rpc/generated') } } });
const bin = (name) => join(root, 'node_modules/.bin', name);

const template = {
  version: 'v2',
  inputs: [{ directory: 'src/rpc/proto' }],
  plugins: [
    {
      local: [process.execPath, bin('protoc-gen-es')],
      out: resolve(flags.out),
      opt: ['target=ts', 'import_extension=ts', 'erasable_syntax=true'],
    },
  ],
};

// buf keeps a cache even for what it needs none: it goes.
const cache = mkdtempSync(join(tmpdir(), 'zlayer-buf-'));
const { status, error } = spawnSync(bin('buf'), ['generate', '--template', JSON.stringify(template)], {
  cwd: root,
  stdio: 'inherit',
  env: { ...process.env, BUF_CACHE_DIR: cache },
});
rmSync(cache, { recursive: true, force: true });
if (error !== undefined) throw error;
process.exitCode = status ?? 1;
