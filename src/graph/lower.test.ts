import { describe, expect, it } from 'vitest';
import { digestOf } from '../core/index.ts';
import { parseDockerfile } from '../dockerfile/index.ts';
import type { ImageConfig } from '../oci/index.ts';
import { type Lowered, lower } from './lower.ts';
import type { BaseRequest, LowerOptions, ResolvedBase } from './lower-options.ts';
import type { ExecOp, Graph, Op } from './ops.ts';
import { planStages } from './stage-plan.ts';

const AMD64 = { os: 'linux', architecture: 'amd64' };
const DIFF_ID = digestOf('layer');

const OPTIONS: LowerOptions = {
  platform: AMD64,
  hostPlatform: AMD64,
  buildArgs: {},
  labels: {},
  contexts: new Map(),
  network: 'default',
  extraHosts: [],
  ulimits: [],
  allow: [],
  noCache: false,
  noCacheFilter: [],
  project: 'test',
  strict: false,
};

const BASE: ImageConfig = {
  architecture: 'amd64',
  os: 'linux',
  config: { Env: ['PATH=/bin', 'H=up'], WorkingDir: '/srv', Cmd: ['b'], Labels: { from: 'base' } },
  rootfs: { type: 'layers', diff_ids: [DIFF_ID] },
  history: [{ created_by: 'base' }],
};

function lowerText(text: string, options: Partial<LowerOptions> = {}, config: ImageConfig = BASE): Lowered {
  const dockerfile = parseDockerfile(text, { fileName: 'Dockerfile' });
  const all = { ...OPTIONS, ...options };
  const lookup = (request: BaseRequest): ResolvedBase => ({
    reference: request.reference,
    manifest: digestOf(request.reference),
    config,
  });
  return lower(dockerfile, planStages(dockerfile, all, lookup), { options: all, lookup });
}

function opsOf<K extends Op['kind']>(lowered: Lowered, kind: K): ReadonlyArray<Extract<Op, { kind: K }>> {
  return lowered.graph.vertices.flatMap(({ op }) => (op.kind === kind ? [op as Extract<Op, { kind: K }>] : []));
}

function lastRun(text: string, options: Partial<LowerOptions> = {}): ExecOp {
  return opsOf(lowerText(text, options), 'exec').at(-1)!;
}

function variable(op: ExecOp, name: string): string | undefined {
  return op.env.find((text) => text.startsWith(`${name}=`))?.slice(name.length + 1);
}

function errorOf(work: () => unknown): unknown {
  try {
    work();
  } catch (error) {
    return error;
  }
  throw new Error('Nothing was thrown.');
}

/** One line per vertex. */
function formatGraph(graph: Graph): string {
  const numbers = new Map(graph.vertices.map((vertex, index) => [vertex.id, index]));
  return graph.vertices
    .map(
      (vertex, index) =>
        `${index} ${vertex.op.kind}(${vertex.inputs.map((id) => numbers.get(id)).join(', ')}) ${vertex.info.name}`,
    )
    .join('\n');
}

describe('lower() scopes variables', () => {
  it('expands ENV values against the environment before their line', () => {
    const { state } = lowerText('FROM b\nENV abc=hello\nENV abc=bye def=$abc\nENV ghi=$abc');
    expect(state.config.Env).toEqual(expect.arrayContaining(['abc=bye', 'def=hello', 'ghi=bye']));
  });

  it.each([
    ['FROM b\nRUN x', {}, undefined],
    ['FROM b\nARG V\nRUN x', {}, '1'],
    ['FROM b\nARG V=2\nRUN x', {}, '2'],
    ['FROM b\nARG V=2\nRUN x', { V: '3' }, '3'],
    ['FROM b\nARG V\nRUN x', { V: '' }, ''],
    ['FROM b\nARG W=1 V=$W-2\nRUN x', {}, '1-2'],
    ['FROM b\nARG V\nENV V=5\nRUN x', { V: '9' }, '5'],
  ])('gives RUN the value of an ARG: %j with %j', (text, buildArgs, expected) => {
    expect(variable(lastRun(`ARG V=1\n${text}`, { buildArgs: buildArgs as Record<string, string> }), 'V')).toBe(
      expected,
    );
  });

  it('lets the later of ARG and ENV win, and keeps ARG out of the config', () => {
    const lowered = lowerText('FROM b\nARG H\nRUN x', { buildArgs: { H: 'x' } });
    expect(variable(opsOf(lowered, 'exec')[0]!, 'H')).toBe('x');
    expect(lowered.state.config.Env).toContain('H=up');
  });

  it('inherits ARG from a parent stage, not from a sibling', () => {
    const text = 'FROM b AS a\nARG P=1\nFROM b AS s\nARG S=1\nFROM a\nCOPY --from=s /x /x\nRUN x';
    expect(variable(lastRun(text), 'P')).toBe('1');
    expect(variable(lastRun(text), 'S')).toBeUndefined();
  });

  it('gives platform arguments to FROM, and to a stage that declares them', () => {
    const text = 'FROM b-$TARGETARCH\nRUN one\nARG TARGETPLATFORM\nRUN two';
    const [one, two] = opsOf(
      lowerText(text, { platform: { os: 'linux', architecture: 'arm', variant: 'v7' } }),
      'exec',
    );
    expect(variable(one!, 'TARGETPLATFORM')).toBeUndefined();
    expect(variable(two!, 'TARGETPLATFORM')).toBe('linux/arm/v7');
  });

  it('does not expand an overridden default', () => {
    expect(variable(lastRun('FROM b\nARG A=${X:?missing}\nRUN x', { buildArgs: { A: 'given' } }), 'A')).toBe('given');
  });

  it('passes proxies outside the environment that is part of the key', () => {
    const run = lastRun('FROM b\nRUN x', { buildArgs: { HTTP_PROXY: 'http://p' } });
    expect(run.proxyEnv).toEqual(['HTTP_PROXY=http://p', 'http_proxy=http://p']);
    expect(variable(run, 'HTTP_PROXY')).toBeUndefined();
  });

  it('names build args that nothing declares', () => {
    expect(lowerText('FROM b\nARG A', { buildArgs: { A: '1', B: '2', HTTP_PROXY: 'x' } }).unusedBuildArgs).toEqual([
      'B',
    ]);
  });
});

describe('planStages() and lower()', () => {
  it('leaves out stages that the target does not need', () => {
    const graph = formatGraph(lowerText('FROM b AS a\nRUN never\nFROM b AS c\nRUN this').graph);
    expect(graph).toContain('RUN this');
    expect(graph).not.toContain('never');
  });

  it('runs equal steps of two stages once', () => {
    const text = 'FROM b AS x\nRUN same\nFROM b AS y\nRUN same\nFROM scratch\nCOPY --from=x /1 /1\nCOPY --from=y /2 /2';
    expect(opsOf(lowerText(text), 'exec')).toHaveLength(1);
  });

  it.each([
    ['FROM b\nCOPY --from=0 a b', 'the stage itself'],
    ['FROM b AS x\nCOPY --from=later a b\nFROM b AS later\nFROM x', 'a later stage'],
    ['FROM b\nCOPY --from=7 a b', 'no stage'],
  ])('rejects %j', (text, why) => {
    expect(() => lowerText(text)).toThrow(why);
  });

  it('finds the target by name in any case, and names the stages when it is missing', () => {
    expect(formatGraph(lowerText('FROM b AS one\nRUN 1\nFROM b\nRUN 2', { target: 'ONE' }).graph)).toContain('RUN 1');
    expect(() => lowerText('FROM b AS one', { target: 'two' })).toThrow('no stage "two"');
  });

  it('prefers a named context to a stage of that name', () => {
    const contexts = new Map([['app', { kind: 'image', reference: 'other' } as const]]);
    const lowered = lowerText('FROM b AS app\nRUN never\nFROM app\nRUN x', { contexts });
    expect(formatGraph(lowered.graph)).not.toContain('never');
    expect(opsOf(lowered, 'image')[0]?.reference).toBe('other');
  });

  it('copies with --link without the base, merged on top of it', () => {
    const lowered = lowerText('FROM b\nCOPY --link a /a');
    expect(opsOf(lowered, 'copy')[0]?.base).toBeUndefined();
    expect(opsOf(lowered, 'merge')).toHaveLength(1);
  });

  it('fires the triggers of a base before the steps of the stage, and drops them', () => {
    const config = { ...BASE, config: { ...BASE.config, OnBuild: ['RUN trigger', 'ENV T=1'] } };
    const lowered = lowerText('FROM b\nRUN own', {}, config);
    expect(opsOf(lowered, 'exec').map((op) => op.args.at(-1))).toEqual(['trigger', 'own']);
    expect(lowered.state.config.OnBuild).toBeUndefined();
    expect(lowered.state.config.Env).toContain('T=1');
  });

  it('refuses a host network that is not granted', () => {
    expect(() => lowerText('FROM b\nRUN --network=host x')).toThrow('network.host');
    expect(lastRun('FROM b\nRUN --network=host x', { allow: ['network.host'] }).network).toBe('host');
  });
});

describe('lower() and named contexts', () => {
  const image = (reference: string) => ({ kind: 'image', reference }) as const;
  const basesOf = (text: string, contexts: LowerOptions['contexts'], options: Partial<LowerOptions> = {}) =>
    opsOf(lowerText(text, { contexts, ...options }), 'image').map(({ reference }) => reference);

  it.each(['alpine', 'alpine:latest', 'docker.io/library/alpine', 'ALPINE'])('take %s by any of its names', (name) => {
    for (const given of ['alpine', 'alpine:latest', 'docker.io/library/alpine:latest']) {
      expect(basesOf(`FROM ${name}`, new Map([[given, image('other:1')]]))).toEqual(['other:1']);
    }
    expect(basesOf(`FROM ${name}`, new Map([['alpine:3', image('other:1')]]))).toEqual([name]);
  });

  it('prefer the one for the platform', () => {
    const contexts = new Map([
      ['app', image('any:1')],
      ['app::linux/arm64', image('arm:1')],
    ]);
    expect(basesOf('FROM app', contexts)).toEqual(['any:1']);
    expect(basesOf('FROM --platform=linux/arm64 app', contexts)).toEqual(['arm:1']);
  });

  it('stand for a stage above', () => {
    const contexts = new Map([['x', { kind: 'stage', stage: 'one' } as const]]);
    const text = 'FROM a AS one\nRUN one\nFROM b\nCOPY --from=x /f /';
    expect(opsOf(lowerText(text, { contexts }), 'exec')).toHaveLength(1);
    expect(
      errorOf(() => lowerText('FROM b\nCOPY --from=x /f /\nFROM a AS one', { contexts, target: '0' })),
    ).toMatchObject({
      code: 'STAGE_NOT_FOUND',
      location: { range: { start: { line: 2, column: 6 } } },
    });
  });
});

describe('lower() points at the word that an error is about', () => {
  it.each([
    ['COPY --from=5 f /x', 6, 'STAGE_NOT_FOUND'],
    ['COPY --chmod=abc f /x', 6, 'DOCKERFILE_INVALID'],
    ['COPY f https://a/b /x', 8, 'DOCKERFILE_INVALID'],
    ['ADD --checksum=sha256:aa f /x', 5, 'DOCKERFILE_INVALID'],
    ['ADD https://a/r.git?nope=1 /x', 5, 'DOCKERFILE_INVALID'],
    ['RUN --mount=type=tmpfs,target=/a --mount=type=nope,target=/b x', 34, 'DOCKERFILE_INVALID'],
    ['RUN --security=insecure x', 5, 'DOCKERFILE_INVALID'],
    ['ENV a=1 b=${c:?no}', 9, 'DOCKERFILE_EXPANSION'],
    ['LABEL a=1 b="${"', 11, 'DOCKERFILE_EXPANSION'],
    ['WORKDIR /a/${b?no}', 9, 'DOCKERFILE_EXPANSION'],
    ['ARG a=${b?no}', 5, 'DOCKERFILE_EXPANSION'],
  ])('%s', (line, column, code) => {
    expect(errorOf(() => lowerText(`FROM b\n${line}\n`))).toMatchObject({
      code,
      location: { range: { start: { line: 2, column } } },
    });
  });

  it('knows the places of what only the engine can judge', () => {
    const { graph } = lowerText('FROM b\nCOPY --chown=app a b* /to/\nRUN --mount=type=secret,id=s x\n');
    const places = graph.vertices.flatMap(({ info }) =>
      (info.parts ?? []).map(({ kind, text, location }) => [kind, text, location.range.start.column]),
    );
    expect(places).toEqual([
      ['source', 'a', 18],
      ['source', 'b*', 20],
      ['destination', '/srv/to/'.slice(4), 23],
      ['owner', 'app', 6],
      ['mount', 's', 5],
    ]);
  });

  it('grants devices one by one, by kind, or all', () => {
    const granted = (allow: readonly string[]) =>
      lastRun('FROM b\nRUN --device=acme.com/gpu=0,required x', { allow }).devices;
    const device = { name: 'acme.com/gpu=0', required: true };
    expect(granted([])).toEqual([{ ...device, granted: false }]);
    for (const right of ['device', 'device=acme.com/gpu', 'device=acme.com/gpu=0']) {
      expect(granted([right])).toEqual([{ ...device, granted: true }]);
    }
  });
});

describe('lower() makes the config', () => {
  it('starts scratch with a PATH and the root as working directory, without layers', () => {
    const { state, graph } = lowerText('FROM scratch\nLABEL a=b');
    expect(state.config).toMatchObject({ WorkingDir: '/', Labels: { a: 'b' } });
    expect(state.config.Env?.[0]).toMatch(/^PATH=.*\/bin/);
    expect(graph.vertices.map(({ op }) => op.kind)).toEqual(['scratch']);
  });

  it('joins relative working directories', () => {
    expect(lowerText('FROM b\nWORKDIR b').state.config.WorkingDir).toBe('/srv/b');
    expect(lowerText('FROM b\nWORKDIR /a\nWORKDIR b\nWORKDIR c').state.config.WorkingDir).toBe('/a/b/c');
  });

  it('clears the inherited CMD at ENTRYPOINT, unless the stage set it', () => {
    expect(lowerText('FROM b\nENTRYPOINT ["a"]').state.config.Cmd).toBeUndefined();
    expect(lowerText('FROM b\nCMD ["c"]\nENTRYPOINT ["a"]').state.config.Cmd).toEqual(['c']);
    expect(lowerText('FROM b AS p\nCMD ["c"]\nFROM p\nENTRYPOINT ["a"]').state.config.Cmd).toBeUndefined();
  });

  it('uses SHELL for commands in shell form', () => {
    expect(lowerText('FROM b\nSHELL ["/bin/bash","-c"]\nCMD x').state.config.Cmd).toEqual(['/bin/bash', '-c', 'x']);
  });

  it('makes only wildcards of a strict build different, so that its other steps are cached as before', () => {
    const text = 'FROM b\nCOPY a /\nCOPY b* /\nADD c /';
    const strict = opsOf(lowerText(text, { strict: true }), 'copy');
    expect(strict.map(({ sources }) => sources[0])).toMatchObject([
      { path: 'a', mustMatch: false },
      { path: 'b*', mustMatch: true },
      { path: 'c', mustMatch: false },
    ]);
    expect(opsOf(lowerText(text), 'copy')[1]?.sources).toMatchObject([{ mustMatch: false }]);
  });

  it('takes the file of a URL by its exact name, wildcards in it included', () => {
    const [copy] = opsOf(lowerText('FROM b\nADD http://h/x%5B1%5D%2A%3F%5Cy /'), 'copy');
    expect(copy?.sources).toMatchObject([{ path: '/x\\[1]\\*\\?\\\\y' }]);
  });

  it('lets labels of the request win', () => {
    expect(lowerText('FROM b\nLABEL from=file', { labels: { from: 'flag' } }).state.config.Labels).toEqual({
      from: 'flag',
    });
  });

  it('gives every instruction one entry of history', () => {
    const { state } = lowerText(
      'FROM b\nARG A=1\nARG B\nENV k=v\nWORKDIR /x\nRUN make\nCOPY --chown=1:2 a ./\nEXPOSE 80\nONBUILD RUN x\nCMD ["c"]',
      { buildArgs: { B: '2' } },
    );
    expect(state.history.map(({ entry, vertex }) => [entry.created_by, vertex !== undefined])).toEqual([
      ['base', false],
      ['ARG A=1', false],
      ['ARG B=2', false],
      ['ENV k=v', false],
      ['WORKDIR /x', true],
      ['RUN |2 A=1 B=2 /bin/sh -c make # buildkit', true],
      ['COPY --chown=1:2 a ./ # buildkit', true],
      ['EXPOSE [80/tcp]', false],
      ['CMD ["c"]', false],
    ]);
  });

  it('runs a lone heredoc as the script, and as a file when it has an interpreter line', () => {
    expect(lastRun('FROM b\nRUN <<EOF\na\nb\nEOF').args).toEqual(['/bin/sh', '-c', 'a\nb\n']);
    expect(lastRun('FROM b\nRUN <<EOF\n#!/bin/x\nb\nEOF')).toMatchObject({ script: '#!/bin/x\nb\n' });
    expect(lastRun('FROM b\nRUN cat <<EOF\nhi\nEOF').args.at(-1)).toBe('cat <<EOF\nhi\nEOF');
  });

  it('hands a shell the tabs of a heredoc that it reads itself, and none to a lone one', () => {
    const text = 'cat <<-EOF > /f\n\t\thi\n\tthere\n\tEOF';
    expect(lastRun(`FROM b\nRUN ${text}`).args.at(-1)).toBe('cat <<-EOF > /f\n\t\thi\n\tthere\nEOF');
    expect(lastRun('FROM b\nRUN <<-EOF\n\t\thi\n\tEOF').args.at(-1)).toBe('hi\n');
  });

  it('splits a mount before its values are expanded', () => {
    const text = 'FROM b\nARG dir=/a,readonly\nARG id=k\nRUN --mount=type=cache,target=$dir,id=${id}-x true';
    expect(lastRun(text).mounts).toMatchObject([{ kind: 'cache', target: '/a,readonly', id: 'k-x', readonly: false }]);
  });

  it.each(['SIGTERM', 'term', '9', 'rtmin+3'])('takes the signal %s as written', (signal) => {
    const { state } = lowerText(`FROM b\nARG S=${signal}\nSTOPSIGNAL $S`);
    expect(state.config.StopSignal).toBe(signal);
  });

  it('says which line has no signal, and names the nearest', () => {
    const error = errorOf(() => lowerText('FROM b\nENV S=SIGTREM\nSTOPSIGNAL $S'));
    expect(error).toMatchObject({
      code: 'DOCKERFILE_INVALID',
      hint: 'The nearest signal is SIGTERM.',
      location: { range: { start: { line: 3 } } },
    });
  });

  it('points at an EXPOSE whose port is none', () => {
    expect(errorOf(() => lowerText('FROM b\nEXPOSE 80/xyz'))).toMatchObject({
      location: { range: { start: { line: 2 } } },
    });
  });
});
