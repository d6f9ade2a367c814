import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeTempDir, removeTempDir } from '../../../test/support/temp-dir.ts';
import * as publicFace from '../../index.ts';
import { loadConfigFile } from './load-config-file.ts';
import { packageExports } from './package-exports.ts';

const root = makeTempDir('config');
const CONTEXT = { env: { TAG: '2' }, localPlatform: 'linux/amd64' };

beforeAll(() => {
  mkdirSync(join(root, 'lib'));
  writeFileSync(join(root, 'lib/version.ts'), "export const version: string = '1.2';\n");
});
afterAll(() => removeTempDir(root));

function load(fileName: string, text: string): Promise<unknown> {
  const path = join(root, fileName);
  writeFileSync(path, text);
  return loadConfigFile({ path, fileName, text: readFileSync(path, 'utf8') }, CONTEXT);
}

describe('loadConfigFile()', () => {
  it('runs TypeScript that imports TypeScript, modules of Node and this package, and gives a function what it may ask for', async () => {
    const text = `
      import { basename } from 'node:path';
      import { type ConfigTarget, defineConfig, parseReference } from 'zlayer-builder';
      import { version } from './lib/version.ts';
      const common: ConfigTarget = { args: { V: version } };
      await Promise.resolve();
      export default defineConfig(async ({ env }) => ({
        targets: { app: { ...common, tags: [basename('x/app') + ':' + env.TAG, parseReference('busybox').registry] } },
      }));
    `;
    const wanted = { targets: { app: { args: { V: '1.2' }, tags: ['app:2', 'docker.io'] } } };
    expect(await load('zlayer.config.ts', text)).toEqual(wanted);
    expect(await load('zlayer.config.mts', text)).toEqual(wanted);
  });

  it('takes JavaScript and JSON', async () => {
    expect(await load('a.mjs', 'export default { targets: {} };')).toEqual({ targets: {} });
    expect(await load('zlayer.config.json', '{ "targets": {} }')).toEqual({ targets: {} });
  });

  it.each([
    ['const x = = 1;\n', 1, 11],
    ['const a: any = {};\n  export default { targets: a.b.c };\n', 2, 3],
    ["import './missing.ts';\nexport default {};\n", 1, undefined],
    ['export const x = 1;\n', undefined, undefined],
  ])('says where it fails: %j', async (text, line, column) => {
    const error = await load('bad.config.ts', text).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'BAKE_INVALID', message: expect.stringContaining('bad.config.ts') });
    const { location } = error as {
      location?: { fileName: string; range: { start: { line: number; column: number } } };
    };
    expect(location?.range.start.line).toBe(line);
    if (column !== undefined) expect(location?.range.start.column).toBe(column);
  });

  it('says where JSON is broken', async () => {
    await expect(load('zlayer.config.json', '{\n  "targets": oops\n}')).rejects.toMatchObject({
      code: 'BAKE_INVALID',
      location: { fileName: 'zlayer.config.json', range: { start: { line: 2 } } },
    });
  });
});

describe('packageExports()', () => {
  it('has all that the package exports', async () => {
    expect(Object.keys(await packageExports()).toSorted()).toEqual(Object.keys(publicFace).toSorted());
  });
});
