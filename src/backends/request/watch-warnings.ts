import { BuildError, type BuildEvent, type RunContext } from '../../core/index.ts';

type Warning = Extract<BuildEvent, { readonly kind: 'warning' }>;

/** A context that notices the warnings which pass through it. */
export interface WatchedContext {
  readonly context: RunContext;
  /** @throws BuildError `DOCKERFILE_INVALID` with the first warning so far. */
  refuseWarnings(): void;
}

/** Makes warnings errors at the places that ask, where the request is strict; else nothing changes. */
export function watchWarnings(outer: RunContext, strict: boolean): WatchedContext {
  if (!strict) return { context: outer, refuseWarnings: () => undefined };
  let first: Warning | undefined;
  return {
    context: {
      signal: outer.signal,
      emit: (event) => {
        if (event.kind === 'warning') first ??= event;
        outer.emit(event);
      },
    },
    refuseWarnings: () => {
      if (first === undefined) return;
      const { code, message, location } = first;
      const hint = [first.hint, `The build is strict, which makes the warning ${code} an error.`];
      throw new BuildError('DOCKERFILE_INVALID', message, { hint: hint.filter(Boolean).join(' '), location });
    },
  };
}
