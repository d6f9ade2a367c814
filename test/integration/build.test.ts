import { mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type BuildEvent, type BuildRequest, type BuildResult, build, plan } from '../../src/index.ts';
import { importBusybox, missingForRun } from './busybox-image.ts';

const home = mkdtempSync(join(tmpdir(), 'zlayer-build-'));
const dataDir = join(home, 'store');
let contexts = 0;

afterAll(() => rmSync(home, { recursive: true, force: true }));

/** A context directory with these files. */
function contextOf(files: Readonly<Record<string, string>>): string {
  contexts += 1;
  const directory = join(home, `context-${contexts}`);
  for (const [name, text] of Object.entries(files)) writeFile(join(directory, name), text);
  return directory;
}

function writeFile(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

function requestFor(path: string, options: Partial<BuildRequest> = {}): BuildRequest {
  return { context: { kind: 'directory', path }, dataDir, ...options };
}

/** What each step of the Dockerfile came to, in order: `cached`, `run` or `unknown`. */
function verdicts({ steps }: Pick<BuildResult, 'steps'>): readonly string[] {
  return steps.filter((step) => !/FROM|context|scratch/.test(step.name)).map((step) => step.verdict.kind);
}

const COPIES = 'FROM scratch\nCOPY a.txt /a\nCOPY dir /d\n';

describe('build() without RUN', () => {
  it('finds every step in the cache the second time, and makes the same image', async () => {
    const context = contextOf({ Dockerfile: COPIES, 'a.txt': 'a', 'dir/b.txt': 'b' });
    const first = await build(requestFor(context));
    const second = await build(requestFor(context));
    expect(verdicts(first)).toEqual(['run', 'run']);
    expect(verdicts(second)).toEqual(['cached', 'cached']);
    expect(second.digest).toBe(first.digest);
  });

  it('does not run a COPY again whose files only got another time', async () => {
    const context = contextOf({ Dockerfile: COPIES, 'a.txt': 'touched', 'dir/b.txt': 'b' });
    await build(requestFor(context));
    utimesSync(join(context, 'a.txt'), 1, 1);
    expect(verdicts(await build(requestFor(context)))).toEqual(['cached', 'cached']);
  });

  it('names the file whose change made a step run', async () => {
    const context = contextOf({ Dockerfile: COPIES, 'a.txt': 'before', 'dir/b.txt': 'b' });
    await build(requestFor(context));
    writeFileSync(join(context, 'a.txt'), 'after');
    const { steps } = await build(requestFor(context));
    const copy = steps.find((step) => step.name.includes('COPY a.txt'));
    expect(copy?.verdict).toMatchObject({ kind: 'run', reason: 'changed: file a.txt' });
  });

  it('keeps hits in a branch beside a miss', async () => {
    const text =
      'FROM scratch AS x\nCOPY x /x\nFROM scratch AS y\nCOPY y /y\nFROM scratch\nCOPY --from=x /x /\nCOPY --from=y /y /\n';
    const context = contextOf({ Dockerfile: text, x: '1', y: 'branch' });
    await build(requestFor(context));
    writeFileSync(join(context, 'x'), '2');
    const { steps } = await build(requestFor(context));
    expect(steps.find((step) => step.name.includes('COPY y /y'))?.verdict.kind).toBe('cached');
    expect(steps.find((step) => step.name.includes('COPY x /x'))?.verdict.kind).toBe('run');
  });

  it('runs everything with noCache, and one stage with noCacheFilter', async () => {
    const text = 'FROM scratch AS one\nCOPY a /a\nFROM one AS two\nCOPY a /b\n';
    const context = contextOf({ Dockerfile: text, a: 'filtered' });
    await build(requestFor(context));
    expect(verdicts(await build(requestFor(context, { noCache: true })))).toEqual(['run', 'run']);
    expect(verdicts(await build(requestFor(context, { noCacheFilter: ['two'] })))).toEqual(['cached', 'run']);
  });

  it('plans without making anything: cached, then the first change, then what depends on it', async () => {
    const context = contextOf({
      Dockerfile: 'FROM scratch\nCOPY a /a\nCOPY b /b\nCOPY c /c\n',
      a: 'plan',
      b: '1',
      c: '1',
    });
    expect(verdicts(await plan(requestFor(context)))).toEqual(['run', 'unknown', 'unknown']);
    await build(requestFor(context));
    writeFileSync(join(context, 'b'), '2');
    const planned = await plan(requestFor(context));
    expect(verdicts(planned)).toEqual(['cached', 'run', 'unknown']);
    expect(verdicts(await build(requestFor(context)))).toEqual(['cached', 'run', 'run']);
  });

  it('makes identical images under SOURCE_DATE_EPOCH in two stores', async () => {
    const context = contextOf({ Dockerfile: 'FROM scratch\nWORKDIR /w\nCOPY . .\nLABEL a=b\n', f: 'x' });
    const options = { sourceDateEpoch: 1_000_000_000, rewriteTimestamp: true };
    const here = await build(requestFor(context, options));
    const there = await build(requestFor(context, { ...options, dataDir: join(home, 'other-store') }));
    expect(there.digest).toBe(here.digest);
    expect(here.config.created).toBe('2001-09-09T01:46:40.000Z');
  });

  it('makes an image without layers', async () => {
    const context = contextOf({ Dockerfile: 'FROM scratch\nLABEL only=metadata\n' });
    const image = await build(requestFor(context));
    expect(image.layers).toEqual([]);
    expect(image.config.config?.Labels).toEqual({ only: 'metadata' });
  });

  it('has an entry of history with a layer for each layer', async () => {
    const context = contextOf({
      Dockerfile: 'FROM scratch\nENV a=b\nWORKDIR /x\nCOPY --link f /f\nCMD ["x"]\n',
      f: 'history',
    });
    const { config, layers } = await build(requestFor(context));
    expect(config.history?.filter((entry) => entry.empty_layer !== true)).toHaveLength(layers.length);
    expect(layers).toHaveLength(2);
  });

  it('takes a Dockerfile as text, files from a named context, and leaves out what is ignored', async () => {
    const context = contextOf({ '.dockerignore': 'secret\n', secret: 's', open: 'o' });
    const other = contextOf({ file: 'named' });
    const result = await build(
      requestFor(context, {
        dockerfile: { kind: 'text', text: 'FROM scratch\nCOPY . /\nCOPY --from=more file /named\n' },
        buildContexts: { more: other },
        outputs: [{ kind: 'local', destination: join(home, 'out') }],
      }),
    );
    expect(result.layers).toHaveLength(2);
    expect(readFileSync(join(home, 'out/named'), 'utf8')).toBe('named');
    expect(readFileSync(join(home, 'out/open'), 'utf8')).toBe('o');
    expect(() => readFileSync(join(home, 'out/secret'))).toThrow('ENOENT');
  });

  it('writes layers as the output asks for, and refuses zstd before the first step where Node has none', async () => {
    const context = contextOf({ Dockerfile: 'FROM scratch\nCOPY f /f\n', f: 'compressed' });
    const write = async (name: string, compression: 'gzip' | 'zstd' | 'none'): Promise<string> => {
      const destination = join(home, name);
      await build(requestFor(context, { outputs: [{ kind: 'oci', destination, tar: false, compression }] }));
      const index = JSON.parse(readFileSync(join(destination, 'index.json'), 'utf8'));
      const blob = join(destination, 'blobs', index.manifests[0].digest.replace(':', '/'));
      return JSON.parse(readFileSync(blob, 'utf8')).layers[0].mediaType;
    };
    expect(await write('plain', 'none')).toMatch(/\.tar$/);
    expect(await write('zipped', 'gzip')).toMatch(/\.tar\+gzip$/);
    if (process.versions['zstd'] !== undefined) expect(await write('zstd', 'zstd')).toMatch(/\.tar\+zstd$/);
    else await expect(write('zstd', 'zstd')).rejects.toMatchObject({ code: 'UNSUPPORTED' });
  });

  it('tells of every step in events, in order, and ends with the result', async () => {
    const events: BuildEvent[] = [];
    const context = contextOf({ Dockerfile: 'FROM scratch\nCOPY f /f\n', f: 'events' });
    const result = await build(requestFor(context, { tags: ['a', 'b'] }), { onEvent: (event) => events.push(event) });
    const kinds = events.map((event) => event.kind);
    expect(kinds[0]).toBe('build-started');
    expect(kinds[1]).toBe('build-planned');
    expect(events.at(-1)).toMatchObject({ kind: 'build-completed', digest: result.digest });
    expect(result.references).toEqual(['docker.io/library/a:latest', 'docker.io/library/b:latest']);
    expect(kinds.filter((kind) => kind === 'vertex-started')).toHaveLength(
      kinds.filter((kind) => kind === 'vertex-completed').length,
    );
  });

  it.each([
    ['FROM scratch\nCOPY missing /x\n', 'SOURCE_NOT_FOUND', 2],
    ['FROM scratch\nCOPY hidden /x\n', 'SOURCE_NOT_FOUND', 2],
    ['FROM scratch\nCPOY a b\n', 'DOCKERFILE_SYNTAX', 2],
    ['FROM nobody/nothing:here\n', 'IMAGE_NOT_FOUND', 1],
    ['FROM scratch\nENV a=${b:?unset}\n', 'DOCKERFILE_EXPANSION', 2],
    ['FROM scratch\nCOPY --from=late a b\nFROM scratch AS late\nFROM 0\n', 'STAGE_NOT_FOUND', 2],
  ])('fails on %j with %s and its line', async (text, code, line) => {
    const context = contextOf({ Dockerfile: text, '.dockerignore': 'hidden', hidden: 'x' });
    const target = text.includes('late') ? { target: '0' } : {};
    const failing = build(requestFor(context, { pull: 'never', ...target }));
    const error = await failing.then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(error).toMatchObject({ code });
    expect((error as { location?: { range: { start: { line: number } } } }).location?.range.start.line).toBe(line);
  });

  it('makes no image of what it warns of, when it is strict', async () => {
    const context = contextOf({ Dockerfile: 'FROM scratch\nCOPY none* /d/\nCOPY f /f\n', f: 'strict' });
    const tags = ['strict'];
    const lenient = await build(requestFor(context));
    expect(lenient.warnings).toHaveLength(1);
    await expect(build(requestFor(context, { strict: true, tags }))).rejects.toThrow('none*');
    const plain = contextOf({ Dockerfile: 'FROM scratch\nCOPY f /f\n', f: 'strict' });
    await expect(build(requestFor(plain, { strict: true, buildArgs: { A: '1' } }))).rejects.toThrow('"A"');
  });

  it('warns of what is in the cache, too, when it is strict', async () => {
    const context = contextOf({
      Dockerfile: 'FROM scratch AS s\nCOPY f /f\nFROM scratch\nCOPY --from=s /none* /d/\nCOPY f /f\n',
      f: 'strict stage',
    });
    await build(requestFor(context));
    await expect(build(requestFor(context, { strict: true }))).rejects.toMatchObject({
      code: 'SOURCE_NOT_FOUND',
      location: { range: { start: { line: 4 } } },
    });
  });

  it('tells which ignore rule hides a source', async () => {
    const context = contextOf({
      Dockerfile: 'FROM scratch\nCOPY logs/x /x\n',
      '.dockerignore': '# c\nlogs\n',
      'logs/x': 'x',
    });
    await expect(build(requestFor(context))).rejects.toMatchObject({
      facts: { ignoredBy: { fileName: '.dockerignore', line: 2, pattern: 'logs' } },
    });
  });
});

const missing = missingForRun();
if (missing !== undefined) console.warn(`RUN is not tested: ${missing}.`);

describe.skipIf(missing !== undefined)('build() with RUN', () => {
  beforeAll(() => importBusybox(dataDir));

  async function run(
    dockerfile: string,
    options: Partial<BuildRequest> = {},
    files: Readonly<Record<string, string>> = {},
  ) {
    const events: BuildEvent[] = [];
    const context = contextOf({ Dockerfile: `FROM localhost/busybox\n${dockerfile}`, ...files });
    const result = await build(requestFor(context, options), { onEvent: (event) => events.push(event) });
    const output = events.flatMap((event) => (event.kind === 'log' ? [event.text] : [])).join('');
    return { result, output, context };
  }

  it('runs a command on the layers below, and keeps what it changes', async () => {
    const { output, result } = await run(
      'COPY f /f\nRUN cat /f > /g && rm /f\nRUN cat /g; ls /f; true\n',
      {},
      { f: 'content' },
    );
    expect(output).toContain('content');
    expect(output).toContain('/f: No such file');
    expect(result.layers).toHaveLength(4);
  });

  it('runs as the user of the image, with its groups and home, in the working directory', async () => {
    const { output } = await run(
      'USER app\nWORKDIR /w\nRUN id && echo "$HOME in $(readlink /proc/self/cwd)" && stat -c %u /w\n',
    );
    expect(output).toContain('uid=1000(app) gid=1000(app) groups=1000(app),2000(extra)');
    expect(output).toContain('/home/app in /w\n1000\n');
  });

  it('does not run a command again after metadata changes above it', async () => {
    const context = contextOf({ Dockerfile: 'FROM localhost/busybox\nLABEL a=1\nRUN date > /date\n' });
    const first = await build(requestFor(context));
    writeFileSync(join(context, 'Dockerfile'), 'FROM localhost/busybox\nLABEL a=2\nRUN date > /date\n');
    const second = await build(requestFor(context));
    expect(verdicts(second)).toEqual(['cached']);
    expect(second.layers).toEqual(first.layers);
  });

  it('runs again when an argument in scope changes, and says which', async () => {
    const dockerfile = 'FROM localhost/busybox\nARG V=1\nRUN echo $V > /v\n';
    const context = contextOf({ Dockerfile: dockerfile });
    await build(requestFor(context));
    const { steps } = await build(requestFor(context, { buildArgs: { V: '2' } }));
    expect(steps.at(-1)?.verdict.changes).toEqual([{ input: 'env V', from: '1', to: '2' }]);
  });

  it('lets later steps hit when a step that ran again came out equal', async () => {
    const dockerfile = (text: string): string =>
      `FROM localhost/busybox AS made\nRUN ${text}\nFROM scratch\nCOPY --from=made /out /out\nCOPY f /f\n`;
    const context = contextOf({ Dockerfile: dockerfile('echo same > /out'), f: 'equal' });
    await build(requestFor(context));
    writeFileSync(join(context, 'Dockerfile'), dockerfile('echo  same > /out'));
    expect(verdicts(await build(requestFor(context)))).toEqual(['run', 'cached', 'cached']);
  });

  it('gives a secret to the step that asks for it, and to no layer and no key', async () => {
    const dockerfile = 'RUN --mount=type=secret,id=token cat /run/secrets/token > /copy; ls /run\n';
    const first = await run(dockerfile, { secrets: { token: { kind: 'value', value: 'hush' } } });
    expect(readFileSync(await extract(first.context, 'copy', { token: 'hush' }), 'utf8')).toBe('hush');
    const again = await build(requestFor(first.context, { secrets: { token: { kind: 'value', value: 'other' } } }));
    expect(verdicts(again)).toEqual(['cached']);
  });

  async function extract(context: string, path: string, secrets: Readonly<Record<string, string>>): Promise<string> {
    const destination = join(home, `extract-${contexts}`);
    const inputs = Object.entries(secrets).map(([id, value]) => [id, { kind: 'value', value }] as const);
    await build(
      requestFor(context, { secrets: Object.fromEntries(inputs), outputs: [{ kind: 'local', destination }] }),
    );
    return join(destination, path);
  }

  it('keeps a cache mount between builds, and out of the image', async () => {
    const dockerfile = 'ARG N\nRUN --mount=type=cache,target=/cache cat /cache/n; echo $N > /cache/n; true\n';
    await run(dockerfile, { buildArgs: { N: 'first' } });
    const { output, result } = await run(dockerfile, { buildArgs: { N: 'second' } });
    expect(output).toContain('first');
    expect(result.config.rootfs.diff_ids).toHaveLength(2);
  });

  it('mounts the context for a step, read-only, without what is ignored', async () => {
    const { output } = await run(
      'RUN --mount=target=/src ls /src; touch /src/new || echo refused\n',
      {},
      { kept: 'k', hidden: 'h', '.dockerignore': 'hidden\n' },
    );
    expect(output).toContain('kept');
    expect(output).not.toContain('hidden');
    expect(output).toContain('refused');
  });

  it('fails with exit code, output and place of a failing command', async () => {
    const context = contextOf({ Dockerfile: 'FROM localhost/busybox\nRUN echo before; exit 7\n' });
    await expect(build(requestFor(context))).rejects.toMatchObject({
      code: 'STEP_FAILED',
      facts: { exitCode: 7, outputTail: ['before'] },
      location: { range: { start: { line: 2 } } },
    });
  });

  it('ends a running command when it is cancelled', async () => {
    const controller = new AbortController();
    const context = contextOf({ Dockerfile: 'FROM localhost/busybox\nRUN echo started; sleep 60\n' });
    const onEvent = (event: BuildEvent): void => {
      if (event.kind === 'log') controller.abort();
    };
    const startedMs = Date.now();
    await expect(build(requestFor(context), { signal: controller.signal, onEvent })).rejects.toMatchObject({
      code: 'CANCELLED',
    });
    expect(Date.now() - startedMs).toBeLessThan(30_000);
  });

  it('runs the stages of a build side by side', async () => {
    const wait = 'until test -e /meet/$OTHER; do touch /meet/$ME; done; touch /meet/$ME';
    const stage = (me: string, other: string): string =>
      `FROM localhost/busybox AS ${me}\nENV ME=${me} OTHER=${other}\nRUN --mount=type=cache,id=meet-${contexts},target=/meet ${wait}; echo ${me} > /${me}\n`;
    const text = `${stage('a', 'b')}${stage('b', 'a')}FROM scratch\nCOPY --from=a /a /\nCOPY --from=b /b /\n`;
    const { layers } = await build(requestFor(contextOf({ Dockerfile: text }), { parallelism: 2 }));
    expect(layers).toHaveLength(2);
  });
});
