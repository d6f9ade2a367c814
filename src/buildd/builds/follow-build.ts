import { fromBinary } from '@bufbuild/protobuf';
import { BuildEventSchema, type BuildEvent as WireBuildEvent } from '../../rpc/index.ts';
import type { ClientMessage } from '../sessions/ask-client.ts';
import type { StartedBuild } from './build-registry.ts';

/** Something to be sent to a client that follows a build. */
export type Followed =
  | { readonly kind: 'event'; readonly sequence: number; readonly event: WireBuildEvent }
  | { readonly kind: 'message'; readonly message: ClientMessage };

/** Where messages that are no events come from. */
export interface MessageSource {
  /** Calls when there are some. */
  listen(onMessage: () => void): void;
  take(): readonly ClientMessage[];
}

/**
 * The events of a build after number `after`, in order until the last, and between them what the build asks of the client.
 * Ends early when the signal aborts.
 *
 * @throws BuildError `EVENTS_LOST`
 */
export async function* followBuild(
  build: StartedBuild,
  { after, source }: { readonly after: number; readonly source?: MessageSource },
  signal: AbortSignal,
): AsyncGenerator<Followed, void, undefined> {
  const bell = createBell();
  const leave = build.follow();
  const stop = build.log.onChange(bell.ring);
  signal.addEventListener('abort', bell.ring, { once: true });
  source?.listen(bell.ring);
  const reader = build.log.reader(after);
  let gotAll = false;
  try {
    while (!signal.aborted) {
      for (const message of source?.take() ?? []) yield { kind: 'message', message };
      const logged = reader.next();
      if (logged !== undefined) {
        yield { kind: 'event', sequence: logged.sequence, event: fromBinary(BuildEventSchema, logged.bytes) };
      } else if (reader.isAtEnd()) {
        gotAll = !signal.aborted;
        return;
      } else await bell.heard();
    }
  } finally {
    signal.removeEventListener('abort', bell.ring);
    stop();
    leave(gotAll);
  }
}

interface Bell {
  readonly ring: () => void;
  /** Resolves at the next ring; at once when it was rung since the last time. */
  heard(): Promise<void>;
}

function createBell(): Bell {
  let isRung = false;
  let wake: (() => void) | undefined;
  return {
    ring: () => {
      isRung = true;
      wake?.();
    },
    heard: async () => {
      if (!isRung) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      wake = undefined;
      isRung = false;
    },
  };
}
