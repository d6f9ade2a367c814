import type { RunContext } from '../../core/index.ts';
import { buildahFailed, type CallSubject } from './buildah-failure.ts';
import { type Buildah, type BuildahCall, runBuildah } from './run-buildah.ts';

/** Runs buildah and gives what it printed. @throws BuildError as `buildahFailed` makes it when it fails. */
export async function callBuildah(
  buildah: Buildah,
  call: BuildahCall & { readonly subject: CallSubject },
  context: RunContext,
): Promise<string> {
  const exit = await runBuildah(buildah, call, context);
  if (exit.exitCode !== 0) throw buildahFailed(call.subject, exit);
  return exit.stdout;
}
