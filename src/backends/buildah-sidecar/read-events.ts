import { BuildError, type BuildEvent, isBuildError, type SourceLocation, withLocation } from '../../core/index.ts';
import type { Dockerfile } from '../../dockerfile/index.ts';

/** Reads the events of a build as a daemon tells them. */
export interface EventReader {
  /** Events that the caller of a build tells itself are left out. */
  read(json: Uint8Array): readonly BuildEvent[];
}

/** What frames a whole build is told here, with the times of this host. */
const FRAMES: readonly string[] = ['build-started', 'build-completed', 'build-failed'];
/** Below this the clocks of two hosts count as the same. */
const SKEW_MS = 2000;

export function createEventReader(dockerfile: Dockerfile): EventReader {
  let skewMs: number | undefined;
  return {
    read: (json) => {
      const event = parse(json);
      if (event === undefined || FRAMES.includes(event.kind)) return [];
      skewMs ??= skewOf(event.time);
      return [withTexts({ ...event, time: event.time + skewMs } as BuildEvent, dockerfile)];
    },
  };
}

/** By how much this host's clock is ahead of the daemon's. */
function skewOf(timeMs: number): number {
  const skewMs = Date.now() - timeMs;
  return Math.abs(skewMs) < SKEW_MS ? 0 : skewMs;
}

function parse(json: Uint8Array): BuildEvent | undefined {
  try {
    const event = JSON.parse(Buffer.from(json).toString('utf8')) as BuildEvent;
    return typeof event?.kind === 'string' && typeof event.time === 'number' ? event : undefined;
  } catch {
    return undefined;
  }
}

/** Locations are told without the text of their file, which is here. */
function withTexts(event: BuildEvent, dockerfile: Dockerfile): BuildEvent {
  if (event.kind === 'build-planned') {
    const vertices = event.vertices.map((vertex) =>
      vertex.location === undefined ? vertex : { ...vertex, location: withText(vertex.location, dockerfile) },
    );
    return { ...event, vertices };
  }
  if (event.kind === 'warning' && event.location !== undefined) {
    return { ...event, location: withText(event.location, dockerfile) };
  }
  return event;
}

function withText(location: SourceLocation, { fileName, text }: Dockerfile): SourceLocation {
  if (location.text !== undefined && location.text !== '') return location;
  return { ...location, text: location.fileName === fileName ? text : '' };
}

/** The same error with the text of the file that its place is in. */
export function placeText(error: unknown, dockerfile: Dockerfile): unknown {
  if (!isBuildError(error) || error.location === undefined) return error;
  const { code, message, hint, facts, cause, location } = error;
  return withLocation(
    new BuildError(code, message, { hint, facts, cause } as ConstructorParameters<typeof BuildError>[2]),
    withText(location, dockerfile),
  );
}
