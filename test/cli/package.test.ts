import { execFile } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../..', import.meta.url));
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

let directory: string;
let consumer: string;
let packed: readonly string[];

/** Packs what npm would publish, and installs it as npm does, from local files alone. */
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'zlayer-package-'));
  const source = join(directory, 'source');
  mkdirSync(source);
  for (const name of ['package.json', ...manifest.files]) {
    if (name !== 'dist' && existsSync(join(root, name)))
      cpSync(join(root, name), join(source, name), { recursive: true });
  }
  await run(process.execPath, [join(root, 'tools/build.mjs'), '--no-types', '--out', join(source, 'dist')], {
    cwd: directory,
  });
  const { stdout } = await run('npm', ['pack', '--json', '--ignore-scripts', '--offline'], { cwd: source });
  const [{ filename, files }] = JSON.parse(stdout);
  packed = files.map(({ path }: { path: string }) => path);

  consumer = join(directory, 'consumer');
  const modules = join(consumer, 'node_modules');
  const installed = join(modules, manifest.name);
  mkdirSync(join(modules, '.bin'), { recursive: true });
  mkdirSync(installed);
  await run('tar', ['-xzf', join(source, filename), '--strip-components=1', '-C', installed]);
  for (const name of Object.keys(manifest.dependencies)) {
    mkdirSync(dirname(join(modules, name)), { recursive: true });
    symlinkSync(join(root, 'node_modules', name), join(modules, name));
  }
  symlinkSync(join('..', manifest.name, manifest.bin.zlayer), join(modules, '.bin', 'zlayer'));
}, 120_000);
afterAll(() => rmSync(directory, { recursive: true, force: true }));

describe('the package', () => {
  it('holds the command, the library and nothing of the sources', () => {
    expect(packed).toContain('dist/zlayer.cjs');
    expect(packed).toContain('dist/index.js');
    expect(packed.filter((path) => !/^(dist\/|README|LICENSE|NOTICE|package\.json$)/.test(path))).toEqual([]);
    expect(packed.filter((path) => /\.(ts|test\.js)$/.test(path) && !path.endsWith('.d.ts'))).toEqual([]);
  });

  it('runs as a command from another directory', async () => {
    const { stdout } = await run(join(consumer, 'node_modules/.bin/zlayer'), ['--version'], { cwd: directory });
    expect(stdout).toBe(`zlayer ${manifest.version}\n`);
  });

  it('builds an image with the command, and with the library', async () => {
    const context = join(directory, 'context');
    mkdirSync(context);
    writeFileSync(join(context, 'Dockerfile'), 'FROM scratch\nCOPY hello /\n');
    writeFileSync(join(context, 'hello'), 'hello\n');
    const env = { ...process.env, ZLAYER_DATA_DIR: join(directory, 'store'), SOURCE_DATE_EPOCH: '1700000000' };
    const built = await run(join(consumer, 'node_modules/.bin/zlayer'), ['build', '-q', context], { env });
    expect(built.stdout).toMatch(/^sha256:[0-9a-f]{64}\n$/);

    const script = `
      import { build, isBuildError } from '${manifest.name}';
      const context = { kind: 'directory', path: ${JSON.stringify(context)} };
      const result = await build({ context, sourceDateEpoch: 1700000000 });
      const error = await build({ context, target: 'nowhere' }).catch((error) => error);
      console.log(result.configDigest, isBuildError(error, 'STAGE_NOT_FOUND'));`;
    writeFileSync(join(consumer, 'use.mjs'), script);
    const used = await run(process.execPath, [join(consumer, 'use.mjs')], { env });
    expect(used.stdout).toBe(`${built.stdout.trim()} true\n`);
  });
});
