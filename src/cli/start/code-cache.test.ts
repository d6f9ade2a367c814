import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openCodeCache } from './code-cache.ts';

const isRoot = process.getuid?.() === 0;
const STRANGER = 12_345;
const CODE = new Map([
  ['/opt/zlayer/a.cjs 1 2', Buffer.from('compiled')],
  ['/opt/Größe/b.cjs 3 4', Buffer.alloc(5000, 7)],
]);

let home: string;
beforeEach(() => {
  home = fs.mkdtempSync(join(tmpdir(), 'code-cache-'));
});
afterEach(() => fs.rmSync(home, { recursive: true, force: true }));

const open = () => openCodeCache({ HOME: home });
const directory = (): string => join(home, '.cache/zlayer/code');
const onlyFile = (): string => {
  const [name, ...others] = fs.readdirSync(directory());
  expect(others).toEqual([]);
  return join(directory(), name ?? 'none');
};

describe('openCodeCache()', () => {
  it('gives back what was written, for this user alone', () => {
    open()?.write('key', CODE);
    expect(open()?.read('key')).toMatchObject({ code: CODE, isFresh: true });
    expect(fs.statSync(directory()).mode & 0o777).toBe(0o700);
    expect(fs.statSync(onlyFile()).mode & 0o777).toBe(0o600);
  });

  it('has nothing for another key, even under its file name', () => {
    open()?.write('version 1', CODE);
    const first = onlyFile();
    expect(open()?.read('version 2')).toBeUndefined();
    open()?.write('version 2', CODE);
    const second = fs.readdirSync(directory()).find((name) => join(directory(), name) !== first);
    fs.copyFileSync(first, join(directory(), second ?? 'none'));
    expect(open()?.read('version 2')).toBeUndefined();
  });

  it.each<[string, (file: string) => void]>([
    ['was cut short', (file) => fs.truncateSync(file, fs.statSync(file).size - 1)],
    ['is empty', (file) => fs.truncateSync(file, 0)],
    ['has a hole', (file) => fs.writeFileSync(file, Buffer.alloc(8), { flag: 'r+' })],
    [
      'was changed by a byte',
      (file) => {
        const bytes = fs.readFileSync(file);
        bytes[bytes.length - 100] = 8;
        fs.writeFileSync(file, bytes);
      },
    ],
    ['others may write', (file) => fs.chmodSync(file, 0o620)],
    [
      'is a link',
      (file) => {
        fs.renameSync(file, join(home, 'elsewhere'));
        fs.symlinkSync(join(home, 'elsewhere'), file);
      },
    ],
    ['lies where others may put files', () => fs.chmodSync(directory(), 0o777)],
  ])('reads no file that %s', (_, spoil) => {
    open()?.write('key', CODE);
    spoil(onlyFile());
    expect(open()?.read('key')).toBeUndefined();
  });

  it.runIf(isRoot)('reads no file of another user, and replaces it', () => {
    open()?.write('key', CODE);
    fs.chownSync(onlyFile(), STRANGER, STRANGER);
    expect(open()?.read('key')).toBeUndefined();
    open()?.write('key', CODE);
    expect(open()?.read('key')?.code).toEqual(CODE);
  });

  it.runIf(isRoot)('neither reads nor writes in a directory of another user', () => {
    open()?.write('key', CODE);
    fs.chownSync(directory(), STRANGER, STRANGER);
    const before = fs.statSync(onlyFile());
    expect(open()?.read('key')).toBeUndefined();
    open()?.write('key', new Map());
    expect(fs.statSync(onlyFile())).toEqual(before);
  });

  it.runIf(isRoot)('makes no folders in the home of another user', () => {
    fs.chownSync(home, STRANGER, STRANGER);
    open()?.write('key', CODE);
    expect(fs.readdirSync(home)).toEqual([]);
  });

  it.each([
    // Seconds since it was first written, and since it was last written.
    ['nothing but the first run', 0, 5, true],
    ['nothing but the first run, a while ago', 0, 15, false],
    ['an hour of runs', 3600, 1800, true],
    ['an hour of runs, and none for as long', 3600, 3700, false],
    ['weeks of runs', 30 * 86_400, 80_000, true],
    ['weeks of runs, but another day', 30 * 86_400, 90_000, false],
  ])('follows the runs soon at first, then ever less often: %s', (_, spanSeconds, ageSeconds, isFresh) => {
    const written = Date.now() / 1000 - ageSeconds;
    open()?.write('key', CODE, (written - spanSeconds) * 1000);
    fs.utimesSync(onlyFile(), written, written);
    expect(open()?.read('key')).toMatchObject({ code: CODE, isFresh });
  });

  it('removes what was not written for a month', () => {
    open()?.write('old', CODE);
    const before = Date.now() / 1000 - 31 * 86_400;
    fs.utimesSync(onlyFile(), before, before);
    open()?.write('new', CODE);
    expect(fs.readdirSync(directory())).toHaveLength(1);
    expect(open()?.read('new')?.code).toEqual(CODE);
  });

  it('prefers XDG_CACHE_HOME, and is silent where it cannot write', () => {
    const cache = join(home, 'xdg');
    openCodeCache({ HOME: home, XDG_CACHE_HOME: cache })?.write('key', CODE);
    expect(fs.existsSync(cache)).toBe(false);
    fs.mkdirSync(cache);
    openCodeCache({ HOME: home, XDG_CACHE_HOME: cache })?.write('key', CODE);
    expect(fs.readdirSync(join(cache, 'zlayer/code'))).toHaveLength(1);
    expect(fs.existsSync(directory())).toBe(false);
  });

  it('is off without a home, and when the user says so', () => {
    expect(openCodeCache({})).toBeUndefined();
    expect(openCodeCache({ HOME: 'relative' })).toBeUndefined();
    expect(openCodeCache({ HOME: home, ZLAYER_CODE_CACHE: 'off' })).toBeUndefined();
  });
});
