import { execFile } from 'node:child_process';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { writeCommand } from '../../tools/write-command.mjs';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../..', import.meta.url));

let directory: string;
let home: string;
beforeAll(async () => {
  directory = fs.mkdtempSync(join(tmpdir(), 'zlayer-start-'));
  await writeCommand({ root, version: '1.2.3', out: join(directory, 'dist') });
});
afterAll(() => fs.rmSync(directory, { recursive: true, force: true }));
beforeEach(() => {
  home = fs.mkdtempSync(join(directory, 'home-'));
});

const code = (): string => join(home, '.cache/zlayer/code');
const start = (args: readonly string[], env: NodeJS.ProcessEnv = {}) =>
  run(process.execPath, [join(directory, 'dist/zlayer.cjs'), ...args], {
    env: { ...process.env, XDG_CACHE_HOME: undefined, ZLAYER_CODE_CACHE: undefined, HOME: home, ...env },
  });
/** A file that is not written again was used: V8 refused nothing of it, and no module was missing. */
const files = (): readonly string[] =>
  fs.readdirSync(code()).map((name) => {
    const { ino, mtimeMs, size } = fs.statSync(join(code(), name));
    return `${name} ${ino} ${mtimeMs} ${size}`;
  });

describe('the start of the program', () => {
  it('keeps what was compiled, for every command what all builds need and the rest, and uses it', async () => {
    const first = await start(['images', '--help']);
    const kept = files();
    expect(kept).toHaveLength(2);
    expect(await start(['images', '--help'])).toEqual(first);
    expect(files()).toEqual(kept);
    await start(['version', '--help']);
    expect(files()).toHaveLength(4);
    expect(files()).toEqual(expect.arrayContaining([...kept]));
  });

  it('writes again what a module is missing from that a later run loads', async () => {
    const env = { ZLAYER_DATA_DIR: join(home, 'store') };
    await start(['images', '--help'], env);
    const before = files();
    await start(['images'], env);
    const after = files();
    expect(after).not.toEqual(before);
    await start(['images', '--help'], env);
    expect(files()).toEqual(after);
  });

  it.each<[string, (file: string) => void]>([
    ['cut short', (file) => fs.truncateSync(file, 5000)],
    ['empty', (file) => fs.truncateSync(file, 0)],
    ['of another version', (file) => patch(file, '1.2.3 ', '1.2.4 ')],
    ['no file', (file) => fs.rmSync(file)],
  ])('runs with a cache file that is %s, and mends it', async (_, spoil) => {
    const first = await start(['images', '--help']);
    const [name = ''] = fs.readdirSync(code());
    spoil(join(code(), name));
    const spoiled = fs.existsSync(join(code(), name)) ? files() : [];
    expect(await start(['images', '--help'])).toEqual(first);
    const mended = files();
    expect(mended).not.toEqual(spoiled);
    expect(await start(['images', '--help'])).toEqual(first);
    expect(files()).toEqual(mended);
  });

  it.runIf(process.getuid?.() === 0)('neither uses nor keeps a cache file of another user', async () => {
    const first = await start(['images', '--help']);
    const [name = ''] = fs.readdirSync(code());
    fs.chownSync(join(code(), name), 12_345, 12_345);
    expect(await start(['images', '--help'])).toEqual(first);
    expect(fs.statSync(join(code(), name)).uid).toBe(0);
  });

  it.runIf(process.platform === 'linux')('builds with one file of code and the compiled code of it', async () => {
    const [context, store] = [join(home, 'context'), join(home, 'store')];
    fs.mkdirSync(context);
    fs.writeFileSync(join(context, 'Dockerfile'), 'FROM scratch\nCOPY Dockerfile /\n');
    fs.cpSync(join(directory, 'dist'), join(home, 'dist'), { recursive: true });
    for (const name of fs.readdirSync(join(home, 'dist/command')))
      if (name !== 'build.pack.cjs') fs.rmSync(join(home, 'dist/command', name));
    fs.rmSync(join(home, 'dist/libraries'), { recursive: true });
    const build = (): Promise<{ readonly stderr: string }> =>
      run(process.execPath, [join(home, 'dist/zlayer.cjs'), 'build', '--progress=plain', '-t', 'one', context], {
        env: { PATH: process.env['PATH'], HOME: home, ZLAYER_DATA_DIR: store },
      });
    expect((await build()).stderr).toMatch(/^ {2}name +\S*one:latest$/m);
    await build();
    const kept = files();
    await build();
    expect(files()).toEqual(kept);
  });

  it('takes code of other flags of V8 for none', async () => {
    const [plain, flagged] = [{}, { NODE_OPTIONS: '--max-old-space-size=300' }];
    const first = await start(['images', '--help'], plain);
    const own = files();
    expect(await start(['images', '--help'], flagged)).toEqual(first);
    expect(files()).toHaveLength(4);
    expect(files()).toEqual(expect.arrayContaining([...own]));
  });

  it('starts many times at once with nothing kept yet', async () => {
    const outputs = await Promise.all(Array.from({ length: 6 }, () => start(['images', '--help'])));
    expect(new Set(outputs.map(({ stdout }) => stdout)).size).toBe(1);
    const kept = files();
    expect(kept).toHaveLength(2);
    await start(['images', '--help']);
    expect(files()).toEqual(kept);
  });

  it('keeps nothing when a command fails, for `--version`, and when the user wants none', async () => {
    await expect(start(['images', '--no-such-option'])).rejects.toMatchObject({ code: 2 });
    await start(['--version']);
    await start(['images', '--help'], { ZLAYER_CODE_CACHE: 'off' });
    expect(fs.readdirSync(home)).toEqual([]);
  });

  it('runs where the home directory is not there', async () => {
    const { stdout } = await start(['images', '--help'], { HOME: join(home, 'missing') });
    expect(stdout).toContain('zlayer images');
    expect(fs.existsSync(join(home, 'missing'))).toBe(false);
  });
});

function patch(file: string, from: string, to: string): void {
  const bytes = fs.readFileSync(file);
  bytes.write(to, bytes.indexOf(from));
  fs.writeFileSync(file, bytes);
}
