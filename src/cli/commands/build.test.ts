import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createFakeBuilder, fakeDigest, RESULT } from '../../../test/cli/build-fakes.ts';
import { runFake } from '../../../test/cli/fake-context.ts';
import { eventsOf, FAILURE, locationOf, RECORDING, SUCCESS } from '../../../test/cli/recorded-build.ts';
import { BuildError } from '../../core/index.ts';

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'zlayer-cli-'));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const STEP_FAILED = new BuildError('STEP_FAILED', 'The command "npm run build" failed with exit code 2.', {
  location: locationOf(8),
  facts: { vertex: 'compile', exitCode: 2, outputTail: ['> tsc', '\x1b[31mbroken\x1b[0m'] },
  hint: 'Look at the compiler output.',
});

describe('zlayer build', () => {
  it('shows progress and what was made on standard error, and prints nothing to standard output', async () => {
    const { services } = createFakeBuilder({ events: eventsOf([...RECORDING, ...SUCCESS]) });
    const { status, stdout, stderr } = await runFake(['build', '.'], { services });
    expect({ status, stdout }).toEqual({ status: 0, stdout: '' });
    expect(stderr).toContain('#5 DONE 1.8s\n');
    expect(stderr.split('\n').slice(-7)).toEqual([
      'Built in 4.3s (2 steps, 1 cached)',
      `  image  ${fakeDigest('b')}`,
      `  digest ${fakeDigest('a')}`,
      '  name   me/app:1.0',
      '  name   app:latest',
      '  size   57.5MB in 1 layer, linux/amd64',
      '',
    ]);
  });

  it.each([
    [['-q'], {}],
    [['--progress=quiet'], {}],
    [[], { BUILDKIT_PROGRESS: 'quiet' }],
  ])('prints the image id alone with %j and %j', async (args, env) => {
    const { services } = createFakeBuilder({ events: eventsOf(RECORDING) });
    expect(await runFake(['build', ...args, '.'], { services, env })).toMatchObject({
      status: 0,
      stdout: `${fakeDigest('b')}\n`,
      stderr: '',
    });
  });

  it('prints nothing but events with --progress=rawjson', async () => {
    const events = eventsOf([...RECORDING, ...SUCCESS]);
    const { stderr, stdout } = await runFake(['build', '--progress=rawjson', '.'], createFakeBuilder({ events }));
    expect(stdout).toBe('');
    expect(stderr.trimEnd().split('\n')).toHaveLength(events.length);
  });

  it('takes the way of showing progress from BUILDKIT_PROGRESS, which an option overrules', async () => {
    const { services } = createFakeBuilder({ events: eventsOf(RECORDING) });
    const env = { BUILDKIT_PROGRESS: 'rawjson' };
    expect((await runFake(['build', '.'], { services, env })).stderr).toMatch(/^\{/);
    expect((await runFake(['build', '--progress', 'plain', '.'], { services, env })).stderr).toMatch(/^#1 /);
  });

  it('writes the image id and the metadata with the keys of buildx', async () => {
    const line = ['build', '--iidfile', 'id', '--metadata-file=meta.json', '.'];
    const result = { ...RESULT, descriptorAnnotations: { a: 'b' } };
    await runFake(line, { ...createFakeBuilder({ result }), cwd: directory });
    expect(readFileSync(join(directory, 'id'), 'utf8')).toBe(fakeDigest('b'));
    expect(JSON.parse(readFileSync(join(directory, 'meta.json'), 'utf8'))).toEqual({
      'containerimage.config.digest': fakeDigest('b'),
      'containerimage.descriptor': {
        mediaType: 'application/vnd.oci.image.manifest.v1+json',
        digest: fakeDigest('a'),
        size: 527,
        annotations: { 'config.digest': fakeDigest('b'), a: 'b' },
        platform: { architecture: 'amd64', os: 'linux' },
      },
      'containerimage.digest': fakeDigest('a'),
      'image.name': 'docker.io/me/app:1.0,docker.io/library/app:latest',
    });
  });

  it('tells of a pushed image what the registry knows it by', async () => {
    const receipt = {
      reference: 'docker.io/me/app:1.0',
      digest: fakeDigest('9'),
      mediaType: 'x/manifest',
      sizeBytes: 99,
    };
    const builder = createFakeBuilder({ result: { ...RESULT, pushed: [receipt] } });
    await runFake(['build', '-t', 'me/app:1.0', '--push', '--metadata-file=meta.json', '.'], {
      ...builder,
      cwd: directory,
    });
    expect(JSON.parse(readFileSync(join(directory, 'meta.json'), 'utf8'))).toMatchObject({
      'containerimage.config.digest': fakeDigest('b'),
      'containerimage.descriptor': { mediaType: 'x/manifest', digest: fakeDigest('9'), size: 99 },
      'containerimage.digest': fakeDigest('9'),
    });
  });

  it('tells of an index by its digest and its images, which have ids of their own', async () => {
    const arm64 = { ...RESULT, digest: fakeDigest('d'), platform: { os: 'linux', architecture: 'arm64' } };
    const mediaType = 'application/vnd.oci.image.index.v1+json';
    const result = { ...RESULT, digest: fakeDigest('e'), mediaType, sizeBytes: 60_000_000, images: [RESULT, arm64] };
    const line = ['build', '--iidfile', 'id', '--metadata-file=meta.json', '.'];
    const { stderr } = await runFake(line, { ...createFakeBuilder({ result }), cwd: directory });
    expect(stderr.split('\n').slice(-7, -1)).toEqual([
      `  digest ${fakeDigest('e')}`,
      '  name   me/app:1.0',
      '  name   app:latest',
      `  image  ${fakeDigest('a')}, 57.5MB in 1 layer, linux/amd64`,
      `  image  ${fakeDigest('d')}, 57.5MB in 1 layer, linux/arm64`,
      '  size   60MB',
    ]);
    expect(readFileSync(join(directory, 'id'), 'utf8')).toBe(fakeDigest('e'));
    expect(JSON.parse(readFileSync(join(directory, 'meta.json'), 'utf8'))).toEqual({
      'containerimage.descriptor': { mediaType, digest: fakeDigest('e'), size: 527 },
      'containerimage.digest': fakeDigest('e'),
      'image.name': 'docker.io/me/app:1.0,docker.io/library/app:latest',
    });
    const quiet = await runFake(['build', '-q', '.'], createFakeBuilder({ result }));
    expect(quiet.stdout).toBe(`${fakeDigest('e')}\n`);
  });

  it('says which file could not be written', async () => {
    const { status, stderr } = await runFake(['build', '--iidfile', 'no/such/id', '.'], {
      ...createFakeBuilder(),
      cwd: directory,
    });
    expect(status).toBe(3);
    expect(stderr).toContain('--iidfile no/such/id could not be written: ENOENT');
  });

  it('prints the whole result with --format json', async () => {
    const { stdout } = await runFake(['build', '--format', 'json', '.'], createFakeBuilder());
    expect(JSON.parse(stdout)).toEqual(JSON.parse(JSON.stringify(RESULT)));
  });

  it('ends a failed step with its lines of the Dockerfile, its output and the hint', async () => {
    const { services } = createFakeBuilder({ events: eventsOf([...RECORDING, ...FAILURE]), error: STEP_FAILED });
    const { status, stdout, stderr } = await runFake(['build', '.'], { services });
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
    expect(stderr.slice(stderr.indexOf('error:')).split('\n')).toEqual([
      'error: The command "npm run build" failed with exit code 2. [STEP_FAILED]',
      '',
      'at Dockerfile:8:1',
      '   6 |     echo installed',
      '   7 | COPY . .',
      '>  8 | RUN npm run build',
      '     | ^^^^^^^^^^^^^^^^^',
      '   9 |',
      '  10 | FROM scratch',
      '',
      'Last lines of its output:',
      '  | > tsc',
      '  | broken',
      '',
      'hint: Look at the compiler output.',
      '',
    ]);
  });

  it('advises plain progress where a long output was not shown as a whole', async () => {
    const outputTail = Array.from({ length: 20 }, (_, index) => `line ${index}`);
    const error = new BuildError('STEP_FAILED', 'No.', {
      facts: { vertex: 'v', exitCode: 1, outputTail },
      hint: 'Correct it.',
    });
    const advice = 'hint: Correct it.\n      Use --progress=plain to see the whole output.\n';
    const { services } = createFakeBuilder({ error });
    expect((await runFake(['build', '-q', '.'], { services })).stderr).toContain(advice);
    const plain = await runFake(['build', '.'], { services });
    expect(plain.stderr).toContain('line 19');
    expect(plain.stderr).not.toContain('--progress=plain');
    const tty = await runFake(['build', '.'], {
      services,
      terminal: { columns: 80, rows: 24 },
      env: { NO_COLOR: '1' },
    });
    expect(tty.stderr).toContain(advice);
  });

  it('says no more than that it was cancelled', async () => {
    const error = new BuildError('CANCELLED', 'The operation was cancelled.', { location: locationOf(4) });
    const { status, stderr } = await runFake(['build', '.'], createFakeBuilder({ error }));
    expect({ status, stderr }).toEqual({ status: 130, stderr: 'error: The operation was cancelled. [CANCELLED]\n' });
  });

  it('says where else the result went', async () => {
    const line = ['build', '-o', 'out', '-o', 'type=oci,dest=i.tar', '-o', 'type=tar', '.'];
    const { stderr } = await runFake(line, createFakeBuilder());
    expect(stderr).toContain('  output local to out\n  output oci to i.tar\n  output tar to standard output\n');
  });

  it('names what was pushed by the digest that it has there', async () => {
    const receipt = { reference: 'docker.io/me/app:1', digest: fakeDigest('9'), mediaType: 'm', sizeBytes: 1 };
    const { stderr } = await runFake(['build', '.'], createFakeBuilder({ result: { ...RESULT, pushed: [receipt] } }));
    expect(stderr).toContain(`  pushed me/app:1@${fakeDigest('9')}\n`);
  });

  it('counts a short build in milliseconds', async () => {
    const { stderr } = await runFake(['build', '.'], createFakeBuilder({ result: { ...RESULT, durationMs: 43.4 } }));
    expect(stderr).toContain('Built in 43ms (2 steps, 1 cached)');
  });

  it.each([
    ['USAGE', 2],
    ['DOCKERFILE_SYNTAX', 1],
    ['UNSUPPORTED', 3],
    ['HOST_LACKS', 3],
    ['REGISTRY_DENIED', 4],
    ['BLOB_MISSING', 5],
    ['CANCELLED', 130],
    ['INTERNAL', 70],
  ] as const)('exits with the status of %s, %d', async (code, status) => {
    const outcome = await runFake(['build', '.'], createFakeBuilder({ error: new BuildError(code, 'No.') }));
    expect(outcome.status).toBe(status);
    expect(outcome.stderr).toContain(`[${code}]`);
  });

  it('shows the stack of an error that is our own', async () => {
    const { status, stderr } = await runFake(
      ['build', '.'],
      createFakeBuilder({ error: new TypeError('x is undefined') }),
    );
    expect(status).toBe(70);
    expect(stderr).toContain('This is a bug in zlayer.');
    expect(stderr).toContain('TypeError: x is undefined\n    at ');
  });

  it('tells what would be run, and why, with --plan', async () => {
    const plan = {
      platform: { os: 'linux', architecture: 'amd64' },
      digest: fakeDigest('f'),
      bases: [{ reference: 'docker.io/library/debian:12', digest: fakeDigest('d') }],
      steps: [
        { vertex: 's', name: '[context] load', verdict: { kind: 'source', reason: 'looked at in every build' } },
        { vertex: 'a', name: '[1/3] FROM debian:12', verdict: { kind: 'cached', reason: 'same' } },
        {
          vertex: 'b',
          name: '[2/3] COPY . .',
          verdict: {
            kind: 'run',
            reason: 'A file has changed.',
            changes: [
              { input: 'file main.js', from: '1', to: '2' },
              { input: 'env A', to: 'x' },
            ],
          },
        },
        { vertex: 'c', name: '[3/3] RUN make', verdict: { kind: 'unknown', reason: 'Depends on step 2.' } },
      ],
    } as const;
    const services = { plan: async () => plan };
    const { stdout, stderr } = await runFake(['build', '--plan', '.'], { services });
    expect(stderr).toBe('');
    expect(stdout.split('\n')).toEqual([
      'source  [context] load',
      'cached  [1/3] FROM debian:12',
      'run     [2/3] COPY . .',
      '        A file has changed.',
      '        - file main.js: 1 -> 2',
      '        - env A: new, x',
      '?       [3/3] RUN make',
      '        Depends on step 2.',
      '',
      '3 steps for linux/amd64: 1 cached, 1 to run, 1 not known before others have run',
      `base docker.io/library/debian:12@${fakeDigest('d')}`,
      `plan ${fakeDigest('f')}`,
      '',
    ]);
    expect(JSON.parse((await runFake(['build', '--plan', '--format=json', '.'], { services })).stdout)).toEqual(plan);
  });
});

describe('zlayer build --load', () => {
  it.each([
    [['--load'], [{ kind: 'image' }, { kind: 'load' }]],
    [['--load=true'], [{ kind: 'image' }, { kind: 'load' }]],
    [['--load=podman'], [{ kind: 'image' }, { kind: 'load', engine: 'podman' }]],
    [['--load=false'], undefined],
  ])('asks with %j for the outputs %j', async (options, outputs) => {
    const { services, requests } = createFakeBuilder();
    const { status } = await runFake(['build', ...options, '.'], { services });
    expect(status).toBe(0);
    expect(requests[0]!.outputs).toEqual(outputs);
  });

  it('refuses an engine that there is none of', async () => {
    const { status, stderr } = await runFake(['build', '--load=rkt', '.'], createFakeBuilder());
    expect(status).toBe(2);
    expect(stderr).toContain('--load');
  });
});
