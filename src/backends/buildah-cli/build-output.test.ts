import { describe, expect, it } from 'vitest';
import type { VertexId } from '../../graph/index.ts';
import { createBuildOutput } from './build-output.ts';
import type { RenderedStage, RenderedStep } from './render-stage.ts';

const step = (text: string, role: RenderedStep['role']): RenderedStep => ({ text, role, vertex: text as VertexId });
const STAGES: readonly RenderedStage[] = [
  { steps: [step('FROM base AS zl0', 'source'), step('RUN one', 'work')] },
  { steps: [step('FROM base AS zl1', 'source'), step('ENV A=b', 'setup'), step('RUN two', 'work')] },
];
const ID = '5444faa681b044698a84e1e0a92b90953cc5344a1f74f775d3ac727c36103a6f';

/** What is told of an output that comes in these pieces. */
function read(pieces: readonly string[], stages = STAGES): readonly string[] {
  const told: string[] = [];
  const output = createBuildOutput(stages, {
    started: ({ text }) => void told.push(`start ${text}`),
    cached: ({ text }) => void told.push(`cached ${text}`),
    log: ({ text }, stream, logged) => void told.push(`${stream} of ${text}: ${JSON.stringify(logged)}`),
    warning: (message) => void told.push(`warning ${message}`),
  });
  for (const piece of pieces) {
    const isError = piece.startsWith('2>');
    output.write(isError ? 'stderr' : 'stdout', isError ? piece.slice(2) : piece);
  }
  output.end();
  return told;
}

const RUN_OF_TWO = [
  '[1/2] STEP 1/2: FROM base AS zl0\n[1/2] STEP 2/2: RUN one\n',
  `--> Using cache ${ID}\n--> 5444faa681b\n`,
  '[2/2] STEP 1/3: FROM base AS zl1\n[2/2] STEP 2/3: ENV A=b\n--> 4c408e4646a\n[2/2] STEP 3/3: RUN two\n',
];
const STARTED = [
  'start FROM base AS zl0',
  'start RUN one',
  'cached RUN one',
  'start FROM base AS zl1',
  'start ENV A=b',
  'start RUN two',
];

describe('createBuildOutput()', () => {
  it('tells of steps, of what is cached, and whose output it is', () => {
    const told = read([...RUN_OF_TWO, 'out\n', '2>err\n', `[2/2] COMMIT\n--> 66f9f5ccd79\n${ID}\n`]);
    expect(told).toEqual([...STARTED, 'stdout of RUN two: "out\\n"', 'stderr of RUN two: "err\\n"']);
  });

  it('is the same in whatever pieces it comes', () => {
    const whole = [...RUN_OF_TWO, `out\nmore\n[2/2] COMMIT\n--> 66f9f5ccd79\n${ID}\n`].join('');
    const logOf = (told: readonly string[]): string =>
      told
        .flatMap((line) => (line.startsWith('stdout') ? [JSON.parse(line.replace(/^.*?: /, '')) as string] : []))
        .join('');
    for (const size of [1, 2, 7, 64]) {
      const pieces = whole.match(new RegExp(`[\\s\\S]{1,${size}}`, 'g')) ?? [];
      const told = read(pieces);
      expect(told.filter((line) => !line.startsWith('stdout'))).toEqual(STARTED);
      expect(logOf(told)).toBe('out\nmore\n');
    }
  });

  it('finds its lines behind output that ends without a line end', () => {
    const told = read([...RUN_OF_TWO, `foo[2/2] COMMIT\n--> 66f9f5ccd79\n${ID}\n`]);
    expect(told.slice(STARTED.length)).toEqual(['stdout of RUN two: "foo"']);
    const first = read([
      '[1/2] STEP 1/2: FROM base AS zl0\n[1/2] STEP 2/2: RUN one\nbar--> 5444faa681b\n',
      RUN_OF_TWO[2]!,
    ]);
    expect(first).toContain('stdout of RUN one: "bar"');
    expect(first).toContain('start RUN two');
  });

  it('leaves to a step what only looks like its own lines', () => {
    const lines = `STEP 1/2: no\n[1/2] STEP 2/2: RUN one\n--> 5444faa681b\nmore\n--> Using cache ${ID}\n`;
    const told = read([...RUN_OF_TWO, lines, `[2/2] COMMIT\n${ID}\n`]);
    expect(told.slice(0, STARTED.length)).toEqual(STARTED);
    const logged = told
      .slice(STARTED.length)
      .map((line) => JSON.parse(line.replace(/^stdout of RUN two: /, '')) as string);
    expect(logged.join('')).toBe(lines);
  });

  it('reads a file of one stage, whose lines have no number of it', () => {
    const told = read(['STEP 1/2: FROM base AS zl0\nSTEP 2/2: RUN one\nhi\nCOMMIT\n'], STAGES.slice(0, 1));
    expect(told).toEqual(['start FROM base AS zl0', 'start RUN one', 'stdout of RUN one: "hi\\n"']);
  });

  it("keeps buildah's words on stderr out of the step's output", () => {
    const own = '2>subprocess exited with status 3\nError: building at STEP "RUN two": exit status 3\n';
    const warning = '2>time="2026-11-22T20:42:22Z" level=warning msg="the \\"cache\\" is slow"\n';
    expect(read([...RUN_OF_TWO, '2>mine\n', own, warning]).slice(STARTED.length)).toEqual([
      'stderr of RUN two: "mine\\n"',
      'warning the "cache" is slow',
    ]);
  });
});
