import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BuildError } from '../../core/index.ts';
import type { SecretProvider } from '../../engine/index.ts';
import type { ExecMount, Graph, Vertex } from '../../graph/index.ts';
import type { Env } from '../selection/host-facts.ts';
import { privateParent } from './private-directory.ts';
import { buildahId } from './render-mount.ts';

export interface StepInputs {
  readonly env: Env;
  readonly secrets: SecretProvider;
  /** Sockets by ssh id. */
  readonly sshAgents: ReadonlyMap<string, string>;
}

/**
 * Lends the secrets and agents that steps name, as options of `buildah build`. Values lie in files of this user alone, in
 * memory where the host has such a place, and are gone when `work` ends.
 *
 * @throws BuildError `SECRET_MISSING`, `SSH_MISSING` for what a step requires, each with its place.
 */
export async function withStepInputs<T>(
  inputs: StepInputs,
  graph: Graph,
  work: (options: readonly string[]) => Promise<T>,
): Promise<T> {
  const wanted = graph.vertices.flatMap((vertex) =>
    vertex.op.kind === 'exec' ? vertex.op.mounts.map((mount) => ({ vertex, mount })) : [],
  );
  const options = new Map<string, readonly string[]>();
  const directory = await mkdtemp(join(await privateParent(inputs.env, tmpdir()), 'zlayer-secrets-'));
  try {
    for (const { vertex, mount } of wanted) {
      const found = await optionOf(inputs, { vertex, mount, directory });
      if (found !== undefined) options.set(found.join(' '), found);
    }
    return await work([...options.values()].flat());
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

interface WantedInput {
  readonly vertex: Vertex;
  readonly mount: ExecMount;
  readonly directory: string;
}

async function optionOf(inputs: StepInputs, wanted: WantedInput): Promise<readonly string[] | undefined> {
  const { vertex, mount, directory } = wanted;
  if (mount.kind === 'ssh') return sshOption(inputs, { vertex, mount });
  if (mount.kind !== 'secret') return undefined;
  const value = await inputs.secrets(mount.id);
  if (value === undefined) {
    if (!mount.required) return undefined;
    throw new BuildError('SECRET_MISSING', `The step needs the secret "${mount.id}", which was not given.`, {
      facts: { id: mount.id },
      location: vertex.info.location,
      hint: `Give it with --secret id=${mount.id},src=FILE or --secret id=${mount.id},env=NAME.`,
    });
  }
  const path = join(directory, buildahId(mount.id));
  await writeFile(path, value, { mode: 0o600 });
  return ['--secret', `id=${buildahId(mount.id)},src=${path}`];
}

async function sshOption(
  { sshAgents }: StepInputs,
  { vertex, mount }: { readonly vertex: Vertex; readonly mount: Extract<ExecMount, { readonly kind: 'ssh' }> },
): Promise<readonly string[] | undefined> {
  const socket = sshAgents.get(mount.id);
  const isThere =
    socket !== undefined &&
    (await stat(socket).then(
      () => true,
      () => false,
    ));
  if (isThere) return ['--ssh', `${buildahId(mount.id)}=${socket}`];
  if (!mount.required) return undefined;
  const why = socket === undefined ? 'which was not given' : `whose socket ${socket} is not there`;
  throw new BuildError('SSH_MISSING', `The step needs the ssh agent "${mount.id}", ${why}.`, {
    facts: { id: mount.id },
    location: vertex.info.location,
    hint: `Give it with --ssh ${mount.id}=SOCKET.`,
  });
}
