import { BuildError, type RunContext } from '../../core/index.ts';
import type { Store } from '../../store/index.ts';
import { checkRequest } from '../request/lower-request.ts';
import { forPlatform, platformsOf } from '../request/request-platforms.ts';
import type { CheckResult, LoadedRequest } from '../types.ts';
import { resolveImage } from './resolve-image.ts';

/** The build checks over a request, for its first platform. Base images are looked up in the store alone. */
export function checkNative(store: Store, loaded: LoadedRequest, context: RunContext): Promise<CheckResult> {
  const client = (): never => {
    throw new BuildError('INTERNAL', 'Checks ask no registry.');
  };
  const [platform] = platformsOf(loaded.request);
  const one = platform === undefined ? loaded : forPlatform(loaded, platform);
  return checkRequest((base) => resolveImage({ store, client, pull: 'never' }, base, context), one);
}
