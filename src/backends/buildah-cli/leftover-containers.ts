import type { RunContext } from '../../core/index.ts';
import { type Buildah, runBuildah } from './run-buildah.ts';

/**
 * Removes the working containers that a build left behind when it was ended. They are known by the file of default mounts
 * that was given to the build, and by nothing that another build could share.
 */
export async function removeLeftovers(buildah: Buildah, mountsFile: string, outer: RunContext): Promise<void> {
  // The build's own signal may be aborted already.
  const context: RunContext = { emit: outer.emit, signal: new AbortController().signal };
  const listed = await runBuildah(buildah, { args: ['containers', '--json'] }, context);
  const containers =
    listed.exitCode === 0 ? (JSON.parse(listed.stdout || '[]') as Array<{ readonly id: string }> | null) : [];
  for (const { id } of containers ?? []) {
    const inspected = await runBuildah(buildah, { args: ['inspect', '--type', 'container', id] }, context);
    if (inspected.exitCode !== 0) continue;
    const { DefaultMountsFilePath: file } = JSON.parse(inspected.stdout) as { readonly DefaultMountsFilePath?: string };
    if (file === mountsFile) await runBuildah(buildah, { args: ['rm', id] }, context);
  }
}
