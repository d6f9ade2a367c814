import { execFile } from 'node:child_process';
import { join } from 'node:path';
import type { Env } from '../selection/host-facts.ts';
import { findExecutable } from './find-buildah.ts';
import { type BuildahVersion, formatVersion, isAtLeast } from './version.ts';

/** A program beside buildah whose version does not go with buildah's. */
export interface BadPair {
  /** For people: both programs with their versions, and what does not work. */
  readonly what: string;
}

/** Where buildah looks for its helpers (containers.conf(5), `helper_binaries_dir`), and where users put them. */
const HELPER_DIRECTORIES = [
  '/usr/local/libexec/podman',
  '/usr/local/lib/podman',
  '/usr/libexec/podman',
  '/usr/lib/podman',
];
const ASK_MS = 5000;

/**
 * Looks for what is known not to go together: buildah 1.44 and netavark 1.17, whose networks neither tells the other rightly, so
 * that the first RUN in a network of its own fails. Asks netavark for its version only where buildah's is one of those.
 */
export async function findBadPair(
  { version, env }: { readonly version: BuildahVersion; readonly env: Env },
  directories: readonly string[] = HELPER_DIRECTORIES,
): Promise<BadPair | undefined> {
  if (!isAtLeast(version, 1, 44) || isAtLeast(version, 1, 45)) return undefined;
  const onPath = (env['PATH'] ?? '').split(':').filter((directory) => directory.startsWith('/'));
  const path = await findExecutable([...directories, ...onPath].map((directory) => join(directory, 'netavark')));
  const netavark = path === undefined ? undefined : await versionOf(path);
  if (netavark === undefined || !/^1\.17(\.|$)/.test(netavark)) return undefined;
  return { what: `buildah ${formatVersion(version)} and netavark ${netavark} (${path}) make no networks together` };
}

function versionOf(path: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    execFile(path, ['--version'], { timeout: ASK_MS }, (_error, stdout) => {
      resolve(/^netavark (\d+(?:\.\d+)+)/m.exec(stdout)?.[1]);
    });
  });
}
