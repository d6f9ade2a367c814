import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { type BuildRequest, build } from '../../src/index.ts';

const home = mkdtempSync(join(tmpdir(), 'zlayer-contexts-'));
const dataDir = join(home, 'store');
let count = 0;

afterAll(() => rmSync(home, { recursive: true, force: true }));

function directoryOf(files: Readonly<Record<string, string>>): string {
  count += 1;
  const directory = join(home, `directory-${count}`);
  mkdirSync(directory);
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, name)), { recursive: true });
    writeFileSync(join(directory, name), text);
  }
  return directory;
}

/** Builds, and gives where the files of the result lie. */
async function filesOf(text: string, options: Partial<BuildRequest>): Promise<string> {
  const path = directoryOf({ Dockerfile: text, own: 'own' });
  const root = join(home, `out-${count}`);
  const outputs = [{ kind: 'local', destination: root }] as const;
  await build({ context: { kind: 'directory', path }, dataDir, outputs, pull: 'never', ...options });
  return root;
}

describe('build() and named contexts', () => {
  it('takes files of a directory, by the ignore file of that directory', async () => {
    const app = directoryOf({ a: 'a', 'b/hidden.md': 'x', 'b/c': 'c', '.dockerignore': '**/*.md\n' });
    const root = await filesOf('FROM scratch\nCOPY --from=app . /app/\n', { buildContexts: { app } });
    expect(readdirSync(join(root, 'app')).sort()).toEqual(['.dockerignore', 'a', 'b']);
    expect(readdirSync(join(root, 'app/b'))).toEqual(['c']);
  });

  it('starts a stage from a directory', async () => {
    const app = directoryOf({ 'etc/conf': 'conf' });
    const root = await filesOf('FROM app\nCOPY own /own\n', { buildContexts: { app } });
    expect(readFileSync(join(root, 'etc/conf'), 'utf8')).toBe('conf');
  });

  it('puts an image in the place of a base, by whatever name that is written', async () => {
    await filesOf('FROM scratch\nCOPY own /from-other\n', { tags: ['other:1'], outputs: [{ kind: 'image' }] });
    const buildContexts = { 'alpine:latest': 'docker-image://other:1' };
    for (const name of ['alpine', 'docker.io/library/alpine:latest']) {
      expect(existsSync(join(await filesOf(`FROM ${name}\n`, { buildContexts }), 'from-other'))).toBe(true);
    }
  });

  it('takes an image of a layout, by its tag', async () => {
    const layout = join(home, 'layout');
    const outputs = [{ kind: 'oci', destination: layout, tar: false }] as const;
    await filesOf('FROM scratch\nCOPY own /from-layout\n', { tags: ['in-layout:1'], outputs });
    const buildContexts = { base: `oci-layout://${layout}` };
    expect(existsSync(join(await filesOf('FROM base\n', { buildContexts }), 'from-layout'))).toBe(true);
  });

  it.each(['target', 'input'])('stands for a stage of the file (%s:)', async (scheme) => {
    const text = 'FROM scratch AS one\nCOPY own /one\nFROM scratch\nCOPY --from=alias /one /two\n';
    const root = await filesOf(text, { buildContexts: { alias: `${scheme}:one` } });
    expect(readFileSync(join(root, 'two'), 'utf8')).toBe('own');
  });

  it('points at the place that names what it cannot have', async () => {
    const app = join(home, 'nowhere');
    await expect(filesOf('FROM app\n', { buildContexts: { app } })).rejects.toMatchObject({
      code: 'CONTEXT_NOT_FOUND',
      hint: expect.stringContaining('--build-context app='),
    });
    await expect(
      filesOf('FROM scratch AS build\nCOPY own /\nFROM scratch\nCOPY --from=biuld /own /\n', {}),
    ).rejects.toMatchObject({
      message: expect.stringMatching(/^There is no stage "biuld", and no image of that name: /),
      hint: 'The nearest stage is "build".',
      location: { range: { start: { line: 4, column: 6 } } },
    });
  });
});
