import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { type BuildRequest, build, check, outline, plan, targets } from '../../src/index.ts';

const home = mkdtempSync(join(tmpdir(), 'zlayer-checks-'));
const dataDir = join(home, 'store');
let contexts = 0;

afterAll(() => rmSync(home, { recursive: true, force: true }));

function requestOf(text: string, options: Partial<BuildRequest> = {}): BuildRequest {
  contexts += 1;
  const path = join(home, `context-${contexts}`);
  mkdirSync(path);
  writeFileSync(join(path, 'Dockerfile'), text);
  writeFileSync(join(path, 'f'), 'x');
  return { context: { kind: 'directory', path }, dataDir, pull: 'never', ...options };
}

const DOUBTFUL = 'FROM scratch AS Up\nCOPY f /f\nCMD run this\n';

describe('build() and its checks', () => {
  it('warns of what they find, each once, by the name of the rule', async () => {
    const events: unknown[] = [];
    const { warnings } = await build(requestOf(DOUBTFUL), { onEvent: (event) => events.push(event) });
    expect(warnings.map(({ code }) => code)).toEqual(['StageNameCasing', 'JSONArgsRecommended']);
    expect(events.find((event) => (event as { code?: string }).code === 'JSONArgsRecommended')).toMatchObject({
      kind: 'warning',
      hint: expect.stringContaining('docs/checks/json-args-recommended.md'),
      location: { range: { start: { line: 3 } } },
    });
  });

  it('warns of a blank line in an instruction once, where parser and checks both see it', async () => {
    const { warnings } = await build(requestOf('FROM scratch\nCOPY f \\\n\n /f\n'));
    expect(warnings.map(({ code }) => code)).toEqual(['NoEmptyContinuation']);
  });

  it('skips what the file skips, or the build argument in its place', async () => {
    const skipped = await build(requestOf(`# check=skip=StageNameCasing,JSONArgsRecommended\n${DOUBTFUL}`));
    expect(skipped.warnings).toEqual([]);
    const buildArgs = { BUILDKIT_DOCKERFILE_CHECK: 'skip=all' };
    expect((await build(requestOf(DOUBTFUL, { buildArgs }))).warnings).toEqual([]);
  });

  it('fails before any step with all findings, where the file asks for it', async () => {
    const kinds: string[] = [];
    const failing = build(requestOf(`# check=error=true\n${DOUBTFUL}`), { onEvent: ({ kind }) => kinds.push(kind) });
    await expect(failing).rejects.toMatchObject({
      code: 'CHECK_FAILED',
      message: expect.stringMatching(/are 2: StageNameCasing in line 2, JSONArgsRecommended in line 4/),
      location: { range: { start: { line: 2 } } },
    });
    expect(kinds.filter((kind) => kind !== 'warning')).toEqual(['build-started', 'build-failed']);
    const buildArgs = { BUILDKIT_DOCKERFILE_CHECK: 'error=true' };
    await expect(plan(requestOf(DOUBTFUL, { buildArgs }))).rejects.toMatchObject({ code: 'CHECK_FAILED' });
  });

  it('tells what a check found of an image that cannot be resolved', async () => {
    const codes: string[] = [];
    const failing = build(requestOf('ARG TAG\nFROM nobody/none:1$TAG\nCMD x\n'), {
      onEvent: (event) => event.kind === 'warning' && codes.push(event.code),
    });
    await expect(failing).rejects.toMatchObject({ code: 'IMAGE_NOT_FOUND' });
    expect(codes).toContain('JSONArgsRecommended');
  });

  it('knows the variables of images in the store', async () => {
    await build(requestOf('FROM scratch\nENV SET=1\n', { tags: ['with-env:1'] }));
    const text = 'FROM with-env:1\nLABEL a=$SET b=$UNSET\n';
    const { warnings } = await build(requestOf(text));
    expect(warnings).toMatchObject([{ code: 'UndefinedVar', message: expect.stringContaining('UNSET') }]);
    expect((await check(requestOf(text))).findings).toMatchObject([{ rule: 'UndefinedVar' }]);
  });

  it('compares the platform of a base with that which its FROM asks for', async () => {
    await build(requestOf('FROM scratch\nENV SET=1\n', { tags: ['arm:1'], platform: 'linux/arm64' }));
    const native = await check(requestOf('FROM --platform=linux/arm64 arm:1\n', { platform: 'linux/amd64' }));
    expect(native.findings.map(({ rule }) => rule)).not.toContain('InvalidBaseImagePlatform');
    const foreign = requestOf('FROM arm:1\nCOPY f /\n', { platform: 'linux/amd64' });
    const finding = {
      rule: 'InvalidBaseImagePlatform',
      message: expect.stringMatching(/arm:1 is for linux\/arm64.*, the build is for linux\/amd64/),
      location: { range: { start: { line: 1, column: 6 } } },
    };
    expect((await check(foreign)).findings).toMatchObject([finding]);
    const { warnings, config } = await build(foreign);
    expect(warnings).toMatchObject([{ code: 'InvalidBaseImagePlatform' }]);
    expect(config.architecture).toBe('amd64');
  });

  it('names file and line of the rule that hides a source, in warnings of a build too', async () => {
    const request = requestOf('FROM scratch\nCOPY f /f\n');
    const { path } = request.context as { readonly path: string };
    writeFileSync(join(path, 'Dockerfile.dockerignore'), '# why\n\n*\n');
    const expected = { message: '"f" cannot be copied: the rule "*" in line 3 of Dockerfile.dockerignore hides it.' };
    expect((await check(request)).findings).toMatchObject([
      { ...expected, related: { range: { start: { line: 3 } } } },
    ]);
    const codes: string[] = [];
    const failing = build(request, { onEvent: (event) => event.kind === 'warning' && codes.push(event.message) });
    await expect(failing).rejects.toMatchObject({ code: 'SOURCE_NOT_FOUND', ...expected });
    expect(codes).toEqual([expected.message]);
  });

  it('tells of secrets that no step uses, and of those that are not given', async () => {
    const text = 'FROM scratch\nRUN --mount=type=secret,id=npm ["/x"]\n';
    const secrets = { nmp: { kind: 'value', value: 'x' }, GIT_AUTH_TOKEN: { kind: 'value', value: 'y' } } as const;
    const { findings } = await check(requestOf(text, { secrets }));
    expect(findings).toMatchObject([
      { rule: 'UnusedSecret', hint: expect.stringContaining('"npm"') },
      { rule: 'MissingSecret', location: { range: { start: { line: 2, column: 5 } } } },
    ]);
    expect((await check(requestOf(text, { secrets: { npm: secrets.nmp } }))).findings).toEqual([]);
  });

  it('takes no named context for an image', async () => {
    const options = { buildContexts: { base: 'docker-image://arm:1', app: home } };
    const { findings } = await check(requestOf('FROM base AS one\nFROM app\nFROM other\n', options));
    expect(findings.map(({ rule, location }) => [rule, location?.range.start.line])).toEqual([
      ['UnpinnedBaseImage', 3],
    ]);
  });
});

describe('build() and other frontends', () => {
  it.each(['# syntax=example.com/other:1\nFROM scratch\n', '# syntax=example.com/other:1\n{ no: dockerfile }\n'])(
    'refuses %j at its line',
    async (text) => {
      for (const run of [build, plan, check]) {
        await expect(run(requestOf(text))).rejects.toMatchObject({
          code: 'UNSUPPORTED',
          location: { fileName: 'Dockerfile', range: { start: { line: 1 } } },
        });
      }
    },
  );

  it('lets BUILDKIT_SYNTAX decide', async () => {
    const ours = { buildArgs: { BUILDKIT_SYNTAX: 'docker/dockerfile:1' } };
    await build(requestOf('# syntax=example.com/other:1\nFROM scratch\nCOPY f /\n', ours));
    const other = { buildArgs: { BUILDKIT_SYNTAX: 'example.com/other' } };
    await expect(build(requestOf('FROM scratch\n', other))).rejects.toMatchObject({ code: 'UNSUPPORTED' });
  });
});

describe('check()', () => {
  it('needs no image, and tells beside its findings what a build would fail with', async () => {
    expect(await check(requestOf('FROM nobody/none:1\nRUN x\n'))).toEqual({ findings: [], violations: [] });
    const broken = await check(requestOf('FROM scratch AS Up\nENV a=${b:?no}\n'));
    expect(broken.findings.map(({ rule }) => rule)).toEqual(['StageNameCasing']);
    expect(broken.error).toMatchObject({ code: 'DOCKERFILE_EXPANSION' });
  });
});

describe('outline() and targets()', () => {
  const text = '# base the start\nFROM scratch AS base\n# V of it\nARG V=1\nFROM base\nCOPY f /\n';

  it('list what a build takes and which stages there are', async () => {
    expect(await outline(requestOf(text, { target: 'base', buildArgs: { V: '2' } }))).toMatchObject({
      target: { name: 'base' },
      args: [{ name: 'V', value: '2', description: 'of it' }],
    });
    expect(await targets(requestOf(text))).toMatchObject([
      { name: 'base', description: 'the start', isDefault: false },
      { index: 1, base: 'base', isDefault: true },
    ]);
    await expect(outline(requestOf(text, { target: 'bsae' }))).rejects.toMatchObject({ code: 'STAGE_NOT_FOUND' });
  });
});
