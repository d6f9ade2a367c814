import { BuildError, platformOfHost } from '../../core/index.ts';
import { parseDockerfile } from '../../dockerfile/index.ts';
import { lower, planStages } from '../../graph/index.ts';
import type { ContainerConfig } from '../../oci/index.ts';

const ALLOWED = [
  'cmd',
  'entrypoint',
  'env',
  'expose',
  'label',
  'onbuild',
  'stopsignal',
  'user',
  'volume',
  'workdir',
  'healthcheck',
  'shell',
];

/**
 * The container config that Dockerfile instructions make from nothing (`import --change`).
 *
 * @throws BuildError `DOCKERFILE_SYNTAX`, `DOCKERFILE_INVALID` also for instructions that would run or copy something.
 */
export function configOfChanges(changes: readonly string[]): ContainerConfig {
  const dockerfile = parseDockerfile(['FROM scratch', ...changes].join('\n'), { fileName: '--change' });
  for (const { kind, text } of dockerfile.stages[0]!.instructions) {
    if (ALLOWED.includes(kind)) continue;
    throw new BuildError('DOCKERFILE_INVALID', `--change cannot take "${text}".`, {
      hint: `It takes ${ALLOWED.map((name) => name.toUpperCase()).join(', ')}.`,
    });
  }
  const platform = platformOfHost('linux', 'x64');
  const options = {
    platform,
    hostPlatform: platform,
    buildArgs: {},
    labels: {},
    contexts: new Map(),
    network: 'default',
    extraHosts: [],
    ulimits: [],
    allow: [],
    noCache: false,
    noCacheFilter: [],
    project: '',
    strict: false,
  } as const;
  const lookup = (): undefined => undefined;
  return lower(dockerfile, planStages(dockerfile, options, lookup), { options, lookup }).state.config;
}
