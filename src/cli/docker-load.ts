import { spawn } from 'node:child_process';
import { accessSync, constants, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import type { BuildRequest } from '../backends/index.ts';
import { BuildError } from '../core/index.ts';
import type { CommandContext } from './command.ts';

/** `--load`: the image goes through a tar into a Docker engine, beside our own store. */
export interface DockerLoad {
  /** The request with the tar as one more output. */
  readonly request: BuildRequest;
  load(context: CommandContext): Promise<void>;
  /** Deletes the tar. */
  remove(): void;
}

/**
 * Makes ready for `--load`.
 *
 * @throws BuildError `UNSUPPORTED` where there is no docker command.
 */
export function prepareDockerLoad({ env }: CommandContext, request: BuildRequest): DockerLoad {
  const docker = findProgram('docker', env.PATH ?? '');
  if (docker === undefined) {
    throw new BuildError('UNSUPPORTED', '--load needs Docker, and there is no docker command here.', {
      hint: 'The image is in the store of zlayer without --load. For a tar use -o type=docker,dest=FILE.',
    });
  }
  const directory = mkdtempSync(join(env.TMPDIR || tmpdir(), 'zlayer-load-'));
  const tar = join(directory, 'image.tar');
  const outputs = request.outputs ?? [{ kind: 'image' as const }];
  return {
    request: { ...request, outputs: [...outputs, { kind: 'docker', destination: tar }] },
    load: (context) => runDockerLoad(docker, tar, context),
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
}

function findProgram(name: string, path: string): string | undefined {
  return path
    .split(delimiter)
    .filter((directory) => directory !== '')
    .map((directory) => join(directory, name))
    .find((file) => {
      try {
        accessSync(file, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

function runDockerLoad(docker: string, tar: string, { signal, env }: CommandContext): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(docker, ['load', '--quiet', '--input', tar], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...env },
      signal,
    });
    let errors = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      errors = (errors + text).slice(-4096);
    });
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) resolve();
      else {
        const hint = 'The image was built and is in the store of zlayer. Is the Docker engine running?';
        reject(
          new BuildError('OUTPUT_FAILED', `docker load failed: ${errors.trim() || `exit code ${code}`}`, { hint }),
        );
      }
    });
  });
}
