import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLayerWriter } from '../../src/archive/index.ts';
import { type BuildRequest, type BuildResult, build } from '../../src/index.ts';
import { importBusybox, missingForRun } from './busybox-image.ts';

const home = mkdtempSync(join(tmpdir(), 'zlayer-traps-'));
const dataDir = join(home, 'store');
/** Steps of the local image are pinned by their test: its name is left alone by the checks. */
const SKIP = '# check=skip=UnpinnedBaseImage\n';
const BUSYBOX = `${SKIP}FROM localhost/busybox\n`;
const withoutRun = missingForRun() !== undefined;
let count = 0;

beforeAll(() => (withoutRun ? undefined : importBusybox(dataDir)));
afterAll(() => rmSync(home, { recursive: true, force: true }));

interface Trap {
  readonly text: string;
  readonly files?: Readonly<Record<string, string>>;
  readonly options?: Partial<BuildRequest>;
}

function contextOf(files: Readonly<Record<string, string>>): string {
  count += 1;
  const directory = join(home, `context-${count}`);
  mkdirSync(directory);
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, name)), { recursive: true });
    writeFileSync(join(directory, name), text);
  }
  return directory;
}

function requestOf({ text, files, options }: Trap, path = contextOf({ f: 'f', g: 'g', ...files })): BuildRequest {
  writeFileSync(join(path, 'Dockerfile'), text);
  return { context: { kind: 'directory', path }, dataDir, ...options };
}

/** Builds, and gives the files of the result. */
async function buildFiles(trap: Trap, path?: string): Promise<BuildResult & { readonly root: string }> {
  count += 1;
  const root = join(home, `out-${count}`);
  const request = requestOf(trap, path);
  const result = await build({ ...request, outputs: [{ kind: 'local', destination: root }] });
  return { ...result, root };
}

const codesOf = ({ warnings }: BuildResult): readonly string[] => warnings.map(({ code }) => code);
const strict = (trap: Trap): Promise<BuildResult> =>
  build(requestOf({ ...trap, options: { ...trap.options, strict: true } }));

describe('6.1 unknown name in --chown', () => {
  const trap = { text: 'FROM scratch\nCOPY --chown=ghost f /f\n' };
  it('is an error, strict or not', async () => {
    await expect(build(requestOf(trap))).rejects.toMatchObject({ code: 'USER_NOT_FOUND' });
    await expect(strict(trap)).rejects.toMatchObject({ code: 'USER_NOT_FOUND' });
  });
});

describe.skipIf(withoutRun)('6.2 secret that is not given', () => {
  const text = `${BUSYBOX}RUN --mount=type=secret,id=s,env=S test -z "$S" && ! test -e /run/secrets/s\n`;
  it('is absent, with a warning; strict refuses', async () => {
    expect(codesOf(await build(requestOf({ text })))).toEqual(['MissingSecret']);
    await expect(strict({ text })).rejects.toMatchObject({ message: expect.stringContaining('secret "s"') });
    const options = { secrets: { s: { kind: 'value', value: '' } } } as const;
    expect(codesOf(await strict({ text: text.replace(/ &&.*/, ''), options }))).toEqual([]);
  });
});

describe('6.3 wildcard without a match', () => {
  const trap = { text: 'FROM scratch\nCOPY f none* /d/\n' };
  it('copies nothing, with a warning; strict refuses', async () => {
    const built = await buildFiles(trap);
    expect(codesOf(built)).toEqual(['CopyMatchesNothing']);
    expect(readFileSync(join(built.root, 'd/f'), 'utf8')).toBe('f');
    await expect(strict(trap)).rejects.toMatchObject({
      code: 'SOURCE_NOT_FOUND',
      location: { range: { start: { line: 2, column: 8 } } },
    });
  });
});

describe('6.4 several sources, no slash', () => {
  it('is an error, strict or not; a directory that is there takes them', async () => {
    const trap = { text: 'FROM scratch\nCOPY f g /to\n' };
    await expect(build(requestOf(trap))).rejects.toMatchObject({ code: 'COPY_CONFLICT' });
    await expect(strict(trap)).rejects.toMatchObject({ code: 'COPY_CONFLICT' });
    const { root } = await buildFiles({ text: 'FROM scratch\nWORKDIR /to\nCOPY f g /to\n' });
    expect(readFileSync(join(root, 'to/g'), 'utf8')).toBe('g');
  });
});

describe('6.5 JSON form that is no JSON', () => {
  const trap = { text: "# check=skip=JSONArgsRecommended\nFROM scratch\nCMD ['run', 'x']\n" };
  it('is text, with a warning; strict refuses', async () => {
    const built = await build(requestOf(trap));
    expect(built.config.config?.Cmd).toEqual(['/bin/sh', '-c', "['run', 'x']"]);
    expect(codesOf(built)).toEqual(['MalformedJsonForm']);
    await expect(strict(trap)).rejects.toMatchObject({ message: expect.stringContaining('not valid JSON') });
  });
});

describe('6.6 ARG after ENV of that name', () => {
  const text = 'FROM scratch\nENV V=env\nARG V=arg\nLABEL v=$V\n';
  it('takes the later one, with a warning; strict refuses', async () => {
    const built = await build(requestOf({ text }));
    expect(built.config.config).toMatchObject({ Labels: { v: 'arg' }, Env: expect.arrayContaining(['V=env']) });
    expect(codesOf(built)).toEqual(['ArgOverridesEnv']);
    await expect(strict({ text })).rejects.toMatchObject({ location: { range: { start: { line: 3, column: 5 } } } });
  });
  it('is silent where ENV comes last, or the ARG has no value', async () => {
    for (const lines of ['ARG V=arg\nENV V=env', 'ENV V=env\nARG V']) {
      const built = await strict({ text: `FROM scratch\n${lines}\nLABEL v=$V\n` });
      expect(built.config.config?.Labels).toEqual({ v: 'env' });
    }
  });
});

describe('6.7 octal --chmod and directories', () => {
  const text = 'FROM scratch\nCOPY --chmod=640 f /new/deep/\n';
  it('gives it to made directories, with a warning where they are locked; strict refuses', async () => {
    const built = await build(requestOf({ text }));
    expect(codesOf(built)).toEqual(['ChmodLocksDirectory']);
    await expect(strict({ text })).rejects.toMatchObject({ code: 'COPY_CONFLICT' });
  });
  it('is silent for modes that let in who may list, for symbolic ones, and where nothing is made', async () => {
    for (const line of ['COPY --chmod=750 f /new/', 'COPY --chmod=u=rw,g=r,o= f /new/', 'COPY --chmod=640 f /f']) {
      expect(codesOf(await strict({ text: `FROM scratch\n${line}\n` }))).toEqual([]);
    }
    const { root } = await buildFiles({ text: 'FROM scratch\nCOPY --chmod=u=rw,g=r,o= f /new/\n' });
    expect(statSync(join(root, 'new')).mode & 0o777).toBe(0o755);
  });
});

describe('6.8 time of the destination directory', () => {
  it.each([false, true])('is that of the source (strict: %s)', async (isStrict) => {
    const path = contextOf({ 'dir/x': 'x' });
    utimesSync(join(path, 'dir'), 1_000_000_000, 1_000_000_000);
    const text = 'FROM scratch\nWORKDIR /there\nCOPY dir /there/\nCOPY dir /new/\n';
    const { root } = await buildFiles({ text, options: { strict: isStrict } }, path);
    for (const name of ['there', 'new']) expect(statSync(join(root, name)).mtimeMs).toBe(1_000_000_000_000);
  });
});

describe('6.9 lines beyond 64 KiB', () => {
  it.each([false, true])('have any length (strict: %s)', async (isStrict) => {
    const value = 'v'.repeat(200_000);
    const built = await build(requestOf({ text: `FROM scratch\nLABEL a=${value}\n`, options: { strict: isStrict } }));
    expect(built.config.config?.Labels).toEqual({ a: value });
  });
});

describe('6.10 sockets in the context', () => {
  it.each([false, true])('are left out (strict: %s)', async (isStrict) => {
    const path = contextOf({ 'd/x': 'x' });
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(join(path, 'd/s'), resolve));
    try {
      const options = { strict: isStrict };
      const { root } = await buildFiles({ text: 'FROM scratch\nCOPY d /d\n', options }, path);
      expect(statSync(join(root, 'd/s'), { throwIfNoEntry: false })).toBeUndefined();
      expect(statSync(join(root, 'd/x')).isFile()).toBe(true);
      await expect(build(requestOf({ text: 'FROM scratch\nCOPY d/s /s\n', options }, path))).rejects.toMatchObject({
        code: 'SOURCE_NOT_FOUND',
      });
    } finally {
      await new Promise((resolve) => server.close(resolve));
    }
  });
});

describe('6.11 user.* attributes of files', () => {
  it.each([false, true])('are kept (strict: %s)', async (isStrict) => {
    const path = contextOf({});
    const chunks: Uint8Array[] = [];
    const writer = createLayerWriter({ write: (chunk) => void chunks.push(Buffer.from(chunk)) });
    const xattrs = new Map([['user.note', Buffer.from('kept')]]);
    writer.add({ entry: { path: 'x', type: 'file', mode: 0o644, uid: 0, gid: 0, sizeBytes: 0, mtime: 0, xattrs } });
    writer.finish();
    writeFileSync(join(path, 'a.tar'), Buffer.concat(chunks));
    const text = 'FROM scratch AS from\nADD a.tar /\nFROM scratch\nCOPY --from=from /x /x\n';
    const tar = join(home, `xattrs-${isStrict}.tar`);
    const options: Partial<BuildRequest> = { strict: isStrict, outputs: [{ kind: 'tar', destination: tar }] };
    await build(requestOf({ text, options }, path));
    expect(readFileSync(tar).includes('SCHILY.xattr.user.note=kept')).toBe(true);
  });
});

describe('6.12 provenance', () => {
  it.each([false, true])('is not made: the result is one manifest (strict: %s)', async (isStrict) => {
    const destination = join(home, `layout-${isStrict}`);
    const outputs = [{ kind: 'oci', destination, tar: false }] as const;
    const built = await build(requestOf({ text: 'FROM scratch\nCOPY f /\n', options: { strict: isStrict, outputs } }));
    const { manifests } = JSON.parse(readFileSync(join(destination, 'index.json'), 'utf8'));
    expect(manifests).toHaveLength(1);
    expect(manifests[0]).toMatchObject({ mediaType: 'application/vnd.oci.image.manifest.v1+json' });
    expect(built.mediaType).toBe(manifests[0].mediaType);
  });
});
