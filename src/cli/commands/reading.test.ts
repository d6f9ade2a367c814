import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { type CommandOutcome, runFake } from '../../../test/cli/fake-context.ts';
import { locationOf } from '../../../test/cli/recorded-build.ts';
import { listContext } from '../../backends/index.ts';
import { BuildError } from '../../core/index.ts';

const home = mkdtempSync(join(tmpdir(), 'zlayer-reading-'));
let cwd: string;
beforeEach(() => {
  cwd = mkdtempSync(join(home, 'c-'));
});
afterAll(() => rmSync(home, { recursive: true, force: true }));

function run(...args: string[]): Promise<CommandOutcome> {
  return runFake(args, { cwd, services: { listContext } });
}

const FINDING = {
  rule: 'StageNameCasing',
  message: 'No capitals.',
  page: 'docs/checks/stage-name-casing.md',
  location: locationOf(4),
} as const;

describe('zlayer build --check', () => {
  const check = (severity: 'warning' | 'advice') => async () => ({
    findings: [{ ...FINDING, severity }],
    violations: [],
  });

  it('exits with 1 for a warning, and with 0 for advice or nothing', async () => {
    const warned = await runFake(['build', '--check', '.'], { services: { check: check('warning') } });
    expect(warned.status).toBe(1);
    expect(warned.stdout).toMatch(/^warning: No capitals\. \[StageNameCasing\]\nat Dockerfile:4:1\n/);
    expect(warned.stdout).toMatch(/Check complete: 1 warning\.\n$/);
    expect((await runFake(['build', '--call=check', '.'], { services: { check: check('advice') } })).status).toBe(0);
    const none = await runFake(['build', '--check', '.'], {
      services: { check: async () => ({ findings: [], violations: [] }) },
    });
    expect(none).toMatchObject({ status: 0, stdout: 'Check complete, nothing found.\n' });
  });

  it.each([
    ['--call=check,format=json', '.'],
    ['--check', '--format', 'json', '.'],
  ])('prints JSON with docker’s names for %s %s', async (...line) => {
    const { status, stdout } = await runFake(['build', ...line], { services: { check: check('warning') } });
    expect(status).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({
      warnings: [{ ruleName: 'StageNameCasing', description: 'No capitals.', location: { start: { line: 4 } } }],
    });
  });

  it('prints the findings, then what a build would fail with', async () => {
    const error = new BuildError('STAGE_NOT_FOUND', 'There is no stage x.');
    const services = { check: async () => ({ ...(await check('warning')()), error }) };
    const { status, stdout, stderr } = await runFake(['build', '--check', '.'], { services });
    expect(status).toBe(1);
    expect(stdout).toContain('No capitals.');
    expect(stderr).toContain('error: There is no stage x. [STAGE_NOT_FOUND]');
  });

  it.each([
    [['--call=nope'], 'no method "nope"'],
    [['--call=targets,x=y'], 'no setting "x=y"'],
    [['--check', '--call=outline'], 'contradict'],
    [['--check', '--plan'], 'cannot plan'],
    [['--call=targets,format=json', '--format=text'], 'contradict'],
  ])('refuses %j', async (line, message) => {
    const { status, stderr } = await runFake(['build', ...line, '.']);
    expect(status).toBe(2);
    expect(stderr).toContain(message);
  });
});

describe('zlayer build --call=targets and outline', () => {
  const target = { name: 'a', index: 0, base: 'scratch', isDefault: true, location: locationOf(1) };
  const services = {
    targets: async () => [target],
    outline: async () => ({
      target,
      args: [{ name: 'V', value: '1', location: locationOf(2) }],
      secrets: [{ id: 'npm', required: true }],
      ssh: [],
      caches: [],
    }),
  };

  it('print tables, or JSON', async () => {
    expect((await runFake(['build', '--call=targets', '.'], { services })).stdout).toBe(
      'TARGET        BASE      PLATFORM   DESCRIPTION\na (default)   scratch\n',
    );
    const json = await runFake(['build', '--call=targets,format=json', '.'], { services });
    expect(JSON.parse(json.stdout).targets).toMatchObject([{ name: 'a', default: true, base: 'scratch' }]);
    const text = await runFake(['build', '--call=outline', '.'], { services });
    expect(text.stdout).toMatch(/^Target: a\n\nARGUMENT {3}VALUE {3}DESCRIPTION\nV {10}1\n\nSECRET {3}REQUIRED\nnpm/);
    const outline = await runFake(['build', '--call=outline', '--format=json', '.'], { services });
    expect(JSON.parse(outline.stdout)).toMatchObject({ name: 'a', args: [{ name: 'V' }], secrets: [{ name: 'npm' }] });
  });
});

describe('zlayer build --explain-cache', () => {
  const plan = {
    platform: { os: 'linux', architecture: 'amd64' },
    digest: 'sha256:0',
    bases: [],
    steps: [
      { vertex: 'a', name: '[context] x', verdict: { kind: 'source', reason: 'looked at in every build' } },
      { vertex: 'b', name: '[1/2] COPY a', verdict: { kind: 'cached', reason: 'same' } },
      {
        vertex: 'c',
        name: '[2/2] COPY b',
        verdict: { kind: 'run', reason: 'changed', changes: [{ input: 'file b', from: '1', to: '2' }] },
      },
    ],
  } as const;

  it('tells of the misses alone', async () => {
    const services = { plan: async () => plan as never };
    const { stdout } = await runFake(['build', '--plan', '--explain-cache', '.'], { services });
    expect(stdout).toBe('run     [2/2] COPY b\n        changed\n        - file b: 1 -> 2\n');
  });
});

describe('zlayer dockerfile', () => {
  it('prints, checks and writes the normal form', async () => {
    writeFileSync(join(cwd, 'Dockerfile'), 'from  scratch\ncopy a   /b\n');
    const normal = 'FROM scratch\nCOPY a /b\n';
    expect(await run('dockerfile', 'fmt')).toMatchObject({ status: 0, stdout: normal });
    expect(await run('dockerfile', 'fmt', '--check')).toMatchObject({ status: 1, stdout: '' });
    expect(await run('dockerfile', 'fmt', '-w')).toMatchObject({ status: 0, stdout: '' });
    expect(readFileSync(join(cwd, 'Dockerfile'), 'utf8')).toBe(normal);
    expect(await run('dockerfile', 'fmt', '--check', 'Dockerfile')).toMatchObject({ status: 0, stderr: '' });
  });

  it('prints the tree with ranges, from standard input too', async () => {
    const { stdout } = await runFake(['dockerfile', 'parse', '-'], { stdin: 'FROM scratch AS x\nCOPY a /b\n' });
    expect(JSON.parse(stdout)).toMatchObject({
      stages: [{ name: 'x', instructions: [{ kind: 'copy', range: { start: { line: 2, column: 1 } } }] }],
    });
  });

  it('says where a file cannot be parsed, or that there is none', async () => {
    expect((await run('dockerfile', 'parse')).stderr).toContain('[DOCKERFILE_NOT_FOUND]');
    writeFileSync(join(cwd, 'x'), 'FROM a\nCPOY b c\n');
    expect((await run('dockerfile', 'fmt', 'x')).stderr).toContain('at x:2:1');
  });

  it('lists its commands alone, and names the nearest for a wrong one', async () => {
    const alone = await run('dockerfile');
    expect(alone.status).toBe(2);
    expect(alone.stderr).toContain('dockerfile fmt');
    expect((await run('dockerfile', '--help')).status).toBe(0);
    expect((await run('help', 'dockerfile')).stdout).toContain('dockerfile parse');
    expect((await run('help', 'dockerfile', 'fmt')).stdout).toContain('zlayer dockerfile fmt [OPTIONS] [FILE]');
    expect((await run('dockerfile', 'fmtt')).stderr).toContain('Did you mean "zlayer dockerfile fmt"?');
  });
});

describe('zlayer context ls', () => {
  beforeEach(() => {
    writeFileSync(join(cwd, '.dockerignore'), '# remark\n*.log\n!keep.log\n');
    for (const name of ['a', 'b.log', 'keep.log']) writeFileSync(join(cwd, name), name);
    writeFileSync(Buffer.concat([Buffer.from(`${cwd}/`), Buffer.from([0xff])]), '');
  });

  it('tells which line of the ignore file decided', async () => {
    const { stdout } = await run('context', 'ls', '--format=json');
    const entries = JSON.parse(stdout) as ReadonlyArray<{ readonly path: string }>;
    expect(entries.map(({ path }) => path)).toEqual(['.dockerignore', 'a', 'b.log', 'keep.log', '\ufffd']);
    expect(entries[2]).toMatchObject({
      included: false,
      rule: { fileName: '.dockerignore', line: 2, pattern: '*.log' },
    });
    expect(entries[3]).toMatchObject({ included: true, rule: { line: 3, pattern: '!keep.log' } });
  });

  it('prints what is left out, with totals', async () => {
    const { stdout } = await run('context', 'ls', '--ignored', '.');
    expect(stdout).toContain('ignored   5B     b.log   .dockerignore:2: *.log\n4 files, ');
    expect((await run('context', 'ls', 'none')).stderr).toContain('[CONTEXT_NOT_FOUND]');
  });
});
