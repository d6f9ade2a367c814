import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '..');

describe('npm run generate', () => {
  let out: string;
  beforeEach(() => {
    out = mkdtempSync(join(tmpdir(), 'zlayer-generate-'));
  });
  afterEach(() => rmSync(out, { recursive: true, force: true }));

  it('makes the bytes that are committed', () => {
    const { status, stderr } = spawnSync(process.execPath, ['tools/generate.mjs', '--out', out], {
      cwd: root,
      encoding: 'utf8',
    });
    expect(stderr).toBe('');
    expect(status).toBe(0);
    expect(filesIn(out)).toEqual(filesIn(join(root, 'src/rpc/generated')));
  });
});

function filesIn(directory: string): Readonly<Record<string, string>> {
  return Object.fromEntries(
    readdirSync(directory)
      .sort()
      .map((name) => [name, readFileSync(join(directory, name), 'utf8')]),
  );
}
