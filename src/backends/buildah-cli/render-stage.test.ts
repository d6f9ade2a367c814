import { describe, expect, it } from 'vitest';
import type { VertexId } from '../../graph/index.ts';
import type { Deliveries } from './deliveries.ts';
import { copy, graphOf, IMAGE, type Node, run, SCRATCH } from './graph.fixture.ts';
import { planStages } from './plan-stages.ts';
import { type RenderedFile, type RenderInput, renderStage } from './render-stage.ts';
import { foldLine, literalWord, quotedValue } from './render-words.ts';

const NONE: Deliveries = { copies: new Map(), mounts: new Map() };

/** The last stage of a graph, over images that are called as their vertices. */
function render(nodes: readonly Node[], more: Partial<RenderInput> = {}): RenderedFile {
  const graph = graphOf(nodes);
  const plan = planStages(graph, [nodes.at(-1)!.id as VertexId]).at(-1)!;
  return renderStage({
    plan,
    vertices: new Map(graph.vertices.map((vertex) => [vertex.id, vertex])),
    built: (id) => ({ id: `id-of-${id}`, env: new Map([['PATH', '/bin']]) }),
    deliveries: NONE,
    scripts: new Map(),
    caches: new Map(),
    nonce: 'nonce',
    ...more,
  });
}

const linesOf = (nodes: readonly Node[], more?: Partial<RenderInput>): readonly string[] =>
  render(nodes, more).text.trimEnd().split('\n');
const labelOf = (nodes: readonly Node[], more?: Partial<RenderInput>): string | undefined =>
  linesOf(nodes, more).find((line) => line.startsWith('LABEL '));
const step = (op: object): readonly Node[] => [
  { id: 'base', op: IMAGE },
  { id: 'step', op, inputs: ['base'] },
];

describe('renderStage()', () => {
  it('tells a step what it needs once, with nothing left to expand', () => {
    const nodes = [...step(run('echo $A <<E')), { id: 'two', op: run('true', { user: 'app' }), inputs: ['step'] }];
    expect(linesOf(nodes)).toEqual([
      'FROM id-of-base',
      'ENV A="\\$x \\"y\\""',
      'USER 0:0',
      'WORKDIR "/work dir"',
      'RUN ["/bin/sh","-c","echo $A \\u003c\\u003cE"]',
      'USER app',
      'RUN ["/bin/sh","-c","true"]',
    ]);
    expect(render(nodes).env.get('A')).toBe('$x "y"');
  });

  it('takes from other stages by the ids of their images', () => {
    const nodes = [
      ...step(run('make')),
      { id: 'empty', op: SCRATCH },
      { id: 'copied', op: copy({ chown: 'a$b' }), inputs: ['empty', 'step'] },
    ];
    const delivery = { kind: 'stage', source: 'step' as VertexId, paths: ['/out'] } as const;
    const deliveries = { ...NONE, copies: new Map([['copied' as VertexId, delivery]]) };
    expect(linesOf(nodes, { deliveries })).toEqual([
      'FROM scratch',
      'COPY --from=id-of-step --chown=a\\$b ["/out","/"]',
    ]);
  });

  it('gives what is written to a mount a stage of its own', () => {
    const mount = { kind: 'bind', target: '/m', input: 1, source: '/', readonly: false };
    const nodes = [
      { id: 'base', op: IMAGE },
      { id: 'context', op: { kind: 'local', name: 'context' } },
      { id: 'step', op: run('ls', { mounts: [mount] }), inputs: ['base', 'context'] },
    ];
    const deliveries = { ...NONE, mounts: new Map([['step 0', { image: 'aaaa', path: '/files' }]]) };
    const [from = '', ...lines] = linesOf(nodes, { deliveries });
    const [, name] = /^FROM aaaa AS (\w[\w-]*)$/.exec(from) ?? [];
    expect(lines.at(-1)).toContain(`RUN --mount=type=bind,from=${name},source=/files,target=/m,rw `);
  });

  it('labels a step with what its words do not say, so that it is not taken from the cache for another', () => {
    const plain = labelOf(step(run('date')));
    const facts = [
      { network: 'none' },
      { security: 'insecure' },
      { ulimits: [{ name: 'nofile', soft: 1, hard: 1 }] },
      { extraHosts: [{ name: 'db', address: '10.0.0.1' }] },
      { shmSizeBytes: 1 },
    ];
    const labels = facts.map((more) => labelOf(step(run('date', more))));
    expect(plain).toBeUndefined();
    expect(new Set(labels).size).toBe(facts.length);
    const elsewhere = { extraHosts: [{ name: 'db', address: '10.0.0.2' }] };
    expect(labelOf(step(run('date', elsewhere)))).toBe(labels[3]);
  });

  it('keeps a step from the cache by a word that no other build has', () => {
    const nodes = step(run('date')).map((node) => ({ ...node, ignoreCache: true }));
    expect(labelOf(nodes, { nonce: 'one' })).toBeDefined();
    expect(labelOf(nodes, { nonce: 'one' })).not.toBe(labelOf(nodes, { nonce: 'two' }));
  });

  it('brings lines into a variable by an argument that no step sees', () => {
    const { text, buildArgs, stages } = render(step(run('x', { env: ['PATH=/bin', 'A=one\ntwo'], cwd: '/' })));
    expect(text.split('\n').slice(0, 5)).toEqual([
      'FROM id-of-base AS lines',
      'ARG zlayer0',
      'ENV A="${zlayer0}"',
      'FROM lines',
      'USER 0:0',
    ]);
    expect([...buildArgs]).toEqual([['zlayer0', 'one\ntwo']]);
    expect(stages).toHaveLength(2);
  });

  it('hands secret variables over by a shell, and mounts no file of them', () => {
    const secret = { kind: 'secret', id: 's', env: 'TOKEN', required: true, mode: 0o400, uid: 0, gid: 0 };
    const line = linesOf(step(run('x', { args: ['/usr/bin/env'], mounts: [secret] }))).at(-1)!;
    expect(line).toMatch(
      /^RUN --mount=type=secret,id=\w+,target=(\S+),required=true,mode=0444 \["\/bin\/sh","\1","\/usr\/bin\/env"\]$/,
    );
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
