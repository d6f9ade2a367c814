import { BuildError } from '../../core/index.ts';
import {
  BuildService,
  type Health,
  type ServiceImplementation,
  HealthCheckResponse_ServingStatus as Status,
} from '../../rpc/index.ts';

/** What the standard health protocol asks of a daemon. */
export interface HealthSource {
  isDraining(): boolean;
  /** Aborted when `isDraining` becomes true. */
  readonly draining: AbortSignal;
}

const NAMES: readonly string[] = ['', BuildService.typeName];

/** The standard gRPC health service. It is no work: a daemon that is only asked how it is ends when it is idle. */
export function createHealthService(source: HealthSource): ServiceImplementation<typeof Health> {
  const now = () => ({ status: source.isDraining() ? Status.NOT_SERVING : Status.SERVING });
  return {
    check: async ({ service }) => {
      if (NAMES.includes(service)) return now();
      throw new BuildError('BUILD_NOT_FOUND', `There is no service "${service}" here.`);
    },
    async *watch({ service }, { signal }) {
      if (!NAMES.includes(service)) yield { status: Status.SERVICE_UNKNOWN };
      else {
        yield now();
        if (!source.isDraining()) {
          await eitherAborted(signal, source.draining);
          if (!signal.aborted) yield now();
        }
      }
      await eitherAborted(signal, source.draining);
    },
  };
}

/** Resolves when one of two signals is aborted, and listens to neither any more. */
function eitherAborted(one: AbortSignal, other: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      one.removeEventListener('abort', done);
      other.removeEventListener('abort', done);
      resolve();
    };
    one.addEventListener('abort', done);
    other.addEventListener('abort', done);
    if (one.aborted || other.aborted) done();
  });
}
