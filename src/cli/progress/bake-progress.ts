import type { BakeEvent } from '../../backends/index.ts';
import type { BuildEvent } from '../../core/index.ts';
import type { CommandContext } from '../command.ts';
import { openProgress } from './choose-progress.ts';
import type { Progress } from './progress.ts';

/** Shows several builds that go on at once. */
export interface BakeProgress extends Pick<Progress, 'showsWholeOutput' | 'close'> {
  readonly onEvent: (event: BakeEvent) => void;
}

/**
 * The display of one build for several: every step is named for its target, and has a number of its own. `rawjson` shows the
 * events as they are, with their target. One target alone is shown like a build.
 */
export function openBakeProgress(context: CommandContext, mode: string, targets: readonly string[]): BakeProgress {
  const { onEvent, close, showsWholeOutput } = openProgress(context, mode);
  const isPlain = mode === 'rawjson' || targets.length < 2;
  return { onEvent: isPlain ? onEvent : asOneBuild(onEvent, targets.length), close, showsWholeOutput };
}

/** Events of several builds as those of one. Ids are unique in a build only. */
export function asOneBuild(onEvent: (event: BuildEvent) => void, targetCount: number): BakeProgress['onEvent'] {
  let stepCount = 0;
  const ended = new Set<string>();
  const tellState = (time: BuildEvent['time']): void =>
    onEvent({ kind: 'build-started', time, buildId: '', fileName: `${ended.size}/${targetCount} targets` });
  return (event) => {
    const { target, time } = event;
    switch (event.kind) {
      case 'build-started':
        tellState(time);
        break;
      case 'build-completed':
      case 'build-failed':
        ended.add(target);
        tellState(time);
        break;
      case 'build-planned': {
        const vertices = event.vertices.map((vertex, index) => ({
          ...vertex,
          id: ownId(target, vertex.id),
          inputs: vertex.inputs.map((id) => ownId(target, id)),
          name: ownName(target, vertex.name),
          number: stepCount + index + 1,
        }));
        stepCount += vertices.length;
        onEvent({ kind: 'build-planned', time, vertices });
        break;
      }
      case 'transfer': {
        const { vertex } = event;
        const own = vertex === undefined ? { name: `${target}: ${event.name}` } : { vertex: ownId(target, vertex) };
        onEvent({ ...event, id: ownId(target, event.id), ...own });
        break;
      }
      case 'warning': {
        const { vertex, location, message } = event;
        const own = vertex === undefined ? {} : { vertex: ownId(target, vertex) };
        onEvent({ ...event, ...own, message: location === undefined ? `${target}: ${message}` : message });
        break;
      }
      default:
        onEvent({ ...event, vertex: ownId(target, event.vertex) });
    }
  };
}

function ownId(target: string, id: string): string {
  return `${target} ${id}`;
}

/** `[build 1/2] RUN make` becomes `[app build 1/2] RUN make`. */
function ownName(target: string, name: string): string {
  return name.startsWith('[') ? `[${target} ${name.slice(1)}` : `[${target}] ${name}`;
}
