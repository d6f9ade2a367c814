import { BuildError, type RunContext } from '../../core/index.ts';
import { type Buildah, runBuildah } from './run-buildah.ts';

/** How buildah keeps the commands of RUN apart from the host. */
export type Isolation = 'oci' | 'rootless' | 'chroot';

/** What a host can do, best first, and what hindered the others. */
export interface ChosenIsolation {
  readonly isolation: Isolation;
  readonly passedOver: ReadonlyArray<{ readonly isolation: Isolation; readonly reason: string }>;
}

/** A program that no image has: its absence is only noticed when everything before has worked. */
const PROBE = '/zlayer-isolation-probe';
const REACHED = /no such file|not found|executable file/i;

/**
 * Finds out how this host can run steps, by running one in an empty container. `BUILDAH_ISOLATION` decides where it is set.
 *
 * @throws BuildError `BACKEND_UNAVAILABLE` when no way works.
 */
export async function chooseIsolation(buildah: Buildah, uid: number, context: RunContext): Promise<ChosenIsolation> {
  const wanted = buildah.env['BUILDAH_ISOLATION'];
  const candidates: readonly Isolation[] = isIsolation(wanted) ? [wanted] : [uid === 0 ? 'oci' : 'rootless', 'chroot'];
  const passedOver: Array<{ readonly isolation: Isolation; readonly reason: string }> = [];
  const container = await probeContainer(buildah, context);
  try {
    for (const isolation of candidates) {
      const reason = await obstacleOf(buildah, { isolation, container }, context);
      if (reason === undefined) return { isolation, passedOver };
      passedOver.push({ isolation, reason });
    }
  } finally {
    // Also after a cancel: the container is ours alone.
    await runBuildah(buildah, { args: ['rm', container] }, { ...context, signal: new AbortController().signal });
  }
  const reasons = passedOver.map(({ isolation, reason }) => `${isolation}: ${reason}`).join('; ');
  throw new BuildError('BACKEND_UNAVAILABLE', `buildah can run no steps here: ${reasons}.`, {
    hint: 'As an ordinary user, buildah needs newuidmap and a range of ids in /etc/subuid.',
  });
}

function isIsolation(text: string | undefined): text is Isolation {
  return text === 'oci' || text === 'rootless' || text === 'chroot';
}

async function probeContainer(buildah: Buildah, context: RunContext): Promise<string> {
  const exit = await runBuildah(buildah, { args: ['from', 'scratch'] }, context);
  if (exit.exitCode === 0) return exit.stdout.trim();
  const reason = lastLine(exit.stderr);
  throw new BuildError('BACKEND_UNAVAILABLE', `buildah cannot make a container: ${reason}.`, {
    hint: 'See that its storage can be written to, and as an ordinary user, that /etc/subuid has a range for the user.',
  });
}

async function obstacleOf(
  buildah: Buildah,
  { isolation, container }: { readonly isolation: Isolation; readonly container: string },
  context: RunContext,
): Promise<string | undefined> {
  const args = ['run', '--isolation', isolation, '--network', 'host', container, '--', PROBE];
  const { exitCode, stderr } = await runBuildah(buildah, { args }, context);
  const said = stderr.split('\n').find((line) => line.includes(PROBE) && REACHED.test(line.replaceAll(PROBE, '')));
  return exitCode === 0 || said !== undefined ? undefined : firstReason(stderr);
}

function firstReason(stderr: string): string {
  const line = stderr.split('\n').find((each) => each.includes(': ')) ?? lastLine(stderr);
  return line.replace(`creating container for [${PROBE}]: `, '').replace(/^error running container: (from )?/, '');
}

function lastLine(text: string): string {
  return (
    text
      .trim()
      .split('\n')
      .at(-1)
      ?.replace(/^Error: /, '') ?? ''
  );
}
