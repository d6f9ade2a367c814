import { BuildError, isBuildError } from '../../core/index.ts';

const VARIABLE = 'ZLAYER_SHORT_NAMES';

/**
 * Works with an image's name as it is written. A name without a registry is Docker Hub's on every host, unless
 * `ZLAYER_SHORT_NAMES=containers` asks for what podman and buildah take it for: then it stands for its alias, or is tried in
 * each registry that `registries.conf` searches until one has it. One that is down is no reason to take another's image.
 *
 * @throws BuildError `USAGE` for another value of the variable, `REGISTRY_CONFIG_INVALID`, and what the work throws.
 */
export async function withShortName<T>(name: string, work: (name: string) => Promise<T>): Promise<T> {
  const names = await candidatesOf(name, process.env);
  for (const [index, candidate] of names.entries()) {
    try {
      return await work(candidate);
    } catch (error) {
      if (index === names.length - 1 || !isAbsent(error)) throw error;
    }
  }
  throw new BuildError('IMAGE_NOT_FOUND', `"${name}" names no image.`);
}

/** Some registries say so of what does not exist. */
function isAbsent(error: unknown): boolean {
  const codes = ['IMAGE_NOT_FOUND', 'REGISTRY_UNAUTHORIZED', 'REGISTRY_DENIED'];
  return isBuildError(error) && codes.includes(error.code);
}

async function candidatesOf(
  name: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<readonly string[]> {
  const wanted = (env[VARIABLE] ?? '').trim();
  if (wanted === '' || wanted === 'docker') return [name];
  if (wanted !== 'containers') {
    throw new BuildError('USAGE', `${VARIABLE} is "${wanted}", which is neither docker nor containers.`, {
      hint: `Unset ${VARIABLE} for Docker's names, or set it to containers for the short names of registries.conf.`,
    });
  }
  const { expandShortName, loadShortNames } = await import('../../registry/index.ts');
  return expandShortName(name, await loadShortNames({ env }));
}
