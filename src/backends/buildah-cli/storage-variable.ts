import { BuildError } from '../../core/index.ts';
import type { Env } from '../selection/host-facts.ts';
import type { BuildahStorage } from './open-buildah.ts';

/** Names buildah's storage as containers/storage does: `driver@graph root+run root`. */
export const STORAGE_VARIABLE = 'ZLAYER_BUILDAH_STORAGE';

/** The storage that the environment names; undefined leaves it to buildah. @throws BuildError `USAGE`. */
export function readStorageVariable(env: Env): BuildahStorage | undefined {
  const text = env[STORAGE_VARIABLE];
  if (text === undefined || text.trim() === '') return undefined;
  const [, driver, root, runRoot] = /^(\w+)@(\/[^+]*)\+(\/.*)$/.exec(text.trim()) ?? [];
  if (driver !== undefined && root !== undefined && runRoot !== undefined) return { driver, root, runRoot };
  throw new BuildError('USAGE', `${STORAGE_VARIABLE}=${text} does not name a storage.`, {
    hint: `Write it as DRIVER@GRAPHROOT+RUNROOT, such as ${STORAGE_VARIABLE}=overlay@/var/lib/images+/run/images.`,
  });
}
