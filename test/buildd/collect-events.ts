import type { BuildEvent, Finished, SessionEvent, Error as WireError } from '../../src/rpc/index.ts';

/** The events of a build as a client got them. */
export interface Collected {
  readonly events: readonly BuildEvent[];
  /** `case` of every event, without `progress`. */
  readonly cases: readonly string[];
  readonly lines: readonly string[];
  readonly finished: Finished | undefined;
  readonly error: WireError | undefined;
  readonly requestId: string;
}

/** Reads a build's stream to its end. `onEvent` sees each event as it comes. */
export async function collect(
  stream: AsyncIterable<BuildEvent>,
  onEvent: (event: BuildEvent) => void = () => undefined,
): Promise<Collected> {
  const events: BuildEvent[] = [];
  for await (const event of stream) {
    events.push(event);
    onEvent(event);
  }
  return summarize(events);
}

/** The same of a session; messages that are no events are left out. */
export async function* eventsOf(stream: AsyncIterable<SessionEvent>): AsyncGenerator<BuildEvent, void, undefined> {
  for await (const { message } of stream) if (message.case === 'event') yield message.value;
}

function summarize(events: readonly BuildEvent[]): Collected {
  const inner = events.map(({ event }) => event);
  const last = inner.at(-1);
  const first = inner[0];
  return {
    events,
    cases: inner.map((event) => event.case ?? '').filter((name) => name !== 'progress'),
    lines: inner.flatMap((event) => (event.case === 'log' ? [event.value.line] : [])),
    finished: last?.case === 'finished' ? last.value : undefined,
    error: last?.case === 'error' ? last.value : undefined,
    requestId: first?.case === 'accepted' ? first.value.requestId : '',
  };
}
