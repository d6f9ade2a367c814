import { describe, expect, it } from 'vitest';
import { digestOf, isBuildError } from '../../core/index.ts';
import type { Graph, Op, Vertex, VertexId } from '../../graph/index.ts';
import type { Deliveries } from './deliveries.ts';
import { renderBuild } from './render-build.ts';
import { foldLine, literalWord, quotedValue } from './render-words.ts';

interface Node {
  readonly id: string;
  readonly op: unknown;
  readonly inputs?: readonly string[];
  readonly ignoreCache?: boolean;
}

function graphOf(nodes: readonly Node[]): Graph {
  return {
    vertices: nodes.map(
      ({ id, op, inputs = [], ignoreCache = false }): Vertex => ({
        id: id as VertexId,
        op: op as Op,
        inputs: inputs as readonly VertexId[],
        info: { name: id, slot: id, ignoreCache },
      }),
    ),
  };
}

const image = { kind: 'image', reference: 'r', manifest: digestOf('m'), diffIds: [] };
const run = (script: string, more: object = {}): object => ({
  kind: 'exec',
  base: 0,
  args: ['/bin/sh', '-c', script],
  env: ['PATH=/bin', 'A=$x "y"'],
  proxyEnv: [],
  cwd: '/work dir',
  mounts: [],
  network: 'default',
  security: 'sandbox',
  hostname: 'h',
  extraHosts: [],
  ulimits: [],
  platform: 'linux/amd64',
  ...more,
});
const NONE: Deliveries = { copies: new Map(), mounts: new Map() };

function render(nodes: readonly Node[], target: string, more: Partial<Parameters<typeof renderBuild>[0]> = {}): string {
  const images = new Map([['base' as VertexId, { id: 'f00d', env: ['PATH=/bin'] }]]);
  const rest = { deliveries: NONE, scripts: new Map(), caches: new Map(), nonce: 'nonce', images };
  return renderBuild({ graph: graphOf(nodes), target: target as VertexId, ...rest, ...more }).text;
}

describe('renderBuild()', () => {
  it('tells a step what it needs once, with nothing left to expand', () => {
    const nodes = [
      { id: 'base', op: image },
      { id: 'one', op: run('echo $A <<E'), inputs: ['base'] },
      { id: 'two', op: run('true', { user: 'app' }), inputs: ['one'] },
    ];
    expect(render(nodes, 'two').trimEnd().split('\n')).toEqual([
      'FROM f00d AS zl0',
      'ENV A="\\$x \\"y\\""',
      'USER 0:0',
      'WORKDIR "/work dir"',
      'RUN ["/bin/sh","-c","echo $A \\u003c\\u003cE"]',
      'USER app',
      'RUN ["/bin/sh","-c","true"]',
    ]);
  });

  it('makes a stage of what several steps take from, before those that take', () => {
    const nodes = [
      { id: 'base', op: image },
      { id: 'made', op: run('make'), inputs: ['base'] },
      { id: 'scratch', op: { kind: 'scratch' } },
      {
        id: 'copied',
        op: {
          kind: 'copy',
          base: 0,
          sources: [{ kind: 'input', input: 1, path: '/out' }],
          destination: '/',
          parents: false,
          exclude: [],
          chown: 'a$b',
        },
        inputs: ['scratch', 'made'],
      },
    ];
    const copies = new Map([
      ['copied' as VertexId, { kind: 'stage', source: 'made' as VertexId, paths: ['/out'] } as const],
    ]);
    const lines = render(nodes, 'copied', { deliveries: { ...NONE, copies } })
      .trimEnd()
      .split('\n');
    expect(lines.filter((line) => /^(FROM|COPY)/.test(line))).toEqual([
      'FROM f00d AS zl0',
      'FROM scratch AS zl2',
      'COPY --from=zl0 --chown=a\\$b ["/out","/"]',
    ]);
  });

  it('labels a step with what its mounts hold, so that other files miss the cache', () => {
    const mount = { kind: 'bind', target: '/m', input: 1, source: '/', readonly: false };
    const nodes = [
      { id: 'base', op: image },
      { id: 'context', op: { kind: 'local', name: 'context' } },
      { id: 'step', op: run('ls', { mounts: [mount] }), inputs: ['base', 'context'] },
    ];
    const textFor = (id: string): string =>
      render(nodes, 'step', { deliveries: { ...NONE, mounts: new Map([['step 0', { image: id, path: '/files' }]]) } });
    const label = (text: string): string | undefined => /^LABEL .*$/m.exec(text)?.[0];
    expect(label(textFor('aaaa'))).toBeDefined();
    expect(label(textFor('aaaa'))).not.toBe(label(textFor('bbbb')));
    // What a step writes there is in a stage that nothing else uses.
    expect(textFor('aaaa')).toMatch(
      /^FROM zl1 AS zl2$[\s\S]*^RUN --mount=type=bind,from=zl2,source=\/files,target=\/m,rw /m,
    );
  });

  it('keeps a step from the cache by a word that no other build has', () => {
    const nodes = [
      { id: 'base', op: image },
      { id: 'step', op: run('date'), inputs: ['base'], ignoreCache: true },
    ];
    const label = (nonce: string): string | undefined => /^LABEL .*$/m.exec(render(nodes, 'step', { nonce }))?.[0];
    expect(label('one')).toBeDefined();
    expect(label('one')).not.toBe(label('two'));
  });

  it("refuses a variable that buildah's parser would take apart", () => {
    const nodes = [
      { id: 'base', op: image },
      { id: 'step', op: run('x', { env: ['A=one\ntwo'] }), inputs: ['base'] },
    ];
    const refused = (): string => render(nodes, 'step');
    expect(refused).toThrow('cannot be told the variable A');
    try {
      refused();
    } catch (error) {
      expect(isBuildError(error, 'UNSUPPORTED')).toBe(true);
    }
  });
});

describe('words', () => {
  it('hold nothing that buildah would expand or unquote', () => {
    expect(literalWord('a$b\\c"d\'')).toBe('a\\$b\\\\c\\"d\\\'');
    expect(quotedValue('a $b "c" `d` \\')).toBe('"a \\$b \\"c\\" \\`d\\` \\\\"');
  });

  it('of any length fit on lines, which make the same text again', () => {
    const line = `RUN ["/bin/sh","-c","${'echo \\"some words\\" # and more \\\\ '.repeat(4000)}"]`;
    const folded = foldLine(line);
    expect(Math.max(...folded.split('\n').map(({ length }) => length))).toBeLessThan(64 * 1024);
    expect(folded.replaceAll('\\\n', '')).toBe(line);
    for (const part of folded.split('\n').slice(1)) expect(part).toMatch(/^\w/);
  });
});
