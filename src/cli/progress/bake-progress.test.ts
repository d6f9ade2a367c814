import { describe, expect, it } from 'vitest';
import { captureOutput } from '../../../test/cli/fake-context.ts';
import type { BakeEvent } from '../../backends/index.ts';
import type { BuildEvent } from '../../core/index.ts';
import { PLAIN_STYLE } from '../terminal/style.ts';
import { asOneBuild } from './bake-progress.ts';
import { createBuildView } from './build-view.ts';
import { createPlainProgress } from './plain.ts';

/** Two builds at once whose steps have the same ids. */
function events(): readonly BakeEvent[] {
  const of = (target: string, event: BuildEvent): BakeEvent => ({ ...event, target });
  const vertices = [{ id: 'v', name: '[build 2/2] RUN make', inputs: ['u'], number: 1 }];
  return [
    of('app', { kind: 'build-planned', time: 0, vertices }),
    of('web', { kind: 'build-planned', time: 0, vertices }),
    of('app', { kind: 'vertex-started', time: 0, vertex: 'v' }),
    of('web', { kind: 'vertex-started', time: 0, vertex: 'v' }),
    of('app', { kind: 'log', time: 100, vertex: 'v', stream: 'stdout', text: 'from app\n' }),
    of('web', { kind: 'log', time: 200, vertex: 'v', stream: 'stdout', text: 'from web\n' }),
    of('web', {
      kind: 'vertex-completed',
      time: 900,
      vertex: 'v',
      durationMs: 900,
      verdict: { kind: 'run', reason: '' },
    }),
    of('web', { kind: 'transfer', time: 1000, id: '1', direction: 'push', name: 'web:1', currentBytes: 5, done: true }),
    of('app', { kind: 'transfer', time: 1000, id: '1', direction: 'push', name: 'app:1', currentBytes: 6, done: true }),
    of('web', { kind: 'warning', time: 1000, code: 'BUILD_ARG_UNUSED', message: 'unused' }),
    of('web', { kind: 'build-completed', time: 1000, durationMs: 1000, references: [] }),
  ];
}

describe('asOneBuild()', () => {
  it('names every step for its target and numbers the steps of all', () => {
    const output = captureOutput();
    const progress = createPlainProgress(output, PLAIN_STYLE);
    const onEvent = asOneBuild(progress.onEvent, 2);
    for (const event of events()) onEvent(event);
    progress.close();
    expect(output.text().split('\n')).toEqual([
      '#1 [app build 2/2] RUN make',
      '#1 0.100 from app',
      '',
      '#2 [web build 2/2] RUN make',
      '#2 0.200 from web',
      '#2 DONE 0.9s',
      '',
      'pushing web: web:1 5B done',
      'pushing app: app:1 6B done',
      '',
      '1 warning:',
      '  ! web: unused (BUILD_ARG_UNUSED)',
      '',
      '',
    ]);
  });

  it('keeps the state of each target apart, and counts those that are over', () => {
    const view = createBuildView();
    const onEvent = asOneBuild(view.onEvent, 2);
    for (const event of events()) onEvent(event);
    expect([...view.steps.values()].map(({ name, state }) => [name, state])).toEqual([
      ['[app build 2/2] RUN make', 'running'],
      ['[web build 2/2] RUN make', 'done'],
    ]);
    expect(view.fileName).toBe('1/2 targets');
  });
});
