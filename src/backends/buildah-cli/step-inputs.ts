import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BuildError } from '../../core/index.ts';
import type { SecretProvider } from '../../engine/index.ts';
import type { ExecMount, Graph, Vertex } from '../../graph/index.ts';
import type { Env } from '../selection/host-facts.ts';
import { privateParent } from './private-directory.ts';
import { buildahId } from './render-mount.ts';
import { secretsId, secretsScript } from './secret-variables.ts';

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
  const directory = await mkdtemp(join(await privateParent(inputs.env, tmpdir()), 'zlayer-secrets-'));
  try {
    const options = new Map<string, readonly string[]>();
    for (const vertex of graph.vertices) {
      for (const option of await optionsOf({ ...inputs, directory }, vertex)) options.set(option.join(' '), option);
    }
    return await work([...options.values()].flat());
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

interface Lending extends StepInputs {
  readonly directory: string;
}

type SecretMount = Extract<ExecMount, { readonly kind: 'secret' }>;

async function optionsOf(lending: Lending, vertex: Vertex): Promise<ReadonlyArray<readonly string[]>> {
  if (vertex.op.kind !== 'exec') return [];
  const options: Array<readonly string[]> = [];
  const variables = new Map<string, string>();
  for (const mount of vertex.op.mounts) {
    if (mount.kind === 'ssh') options.push(...(await sshOption(lending, { vertex, mount })));
    if (mount.kind !== 'secret') continue;
    const value = await readSecret(lending, { vertex, mount });
    if (value === undefined) continue;
    if (mount.env !== undefined) variables.set(mount.env, Buffer.from(value).toString('latin1'));
    if (mount.env === undefined || mount.target !== undefined) {
      options.push(await secretOption(lending, { id: buildahId(mount.id), value }));
    }
  }
  const id = secretsId(vertex);
  if (id !== undefined) {
    const script = Buffer.from(secretsScript(variables), 'latin1');
    options.push(await secretOption(lending, { id, value: script }));
  }
  return options;
}

async function readSecret(
  { secrets }: StepInputs,
  { vertex, mount }: { readonly vertex: Vertex; readonly mount: SecretMount },
): Promise<Uint8Array | undefined> {
  const value = await secrets(mount.id);
  if (value !== undefined || !mount.required) return value;
  throw new BuildError('SECRET_MISSING', `The step needs the secret "${mount.id}", which was not given.`, {
    facts: { id: mount.id },
    location: vertex.info.location,
    hint: `Give it with --secret id=${mount.id},src=FILE or --secret id=${mount.id},env=NAME.`,
  });
}

async function secretOption(
  { directory }: Lending,
  { id, value }: { readonly id: string; readonly value: Uint8Array },
): Promise<readonly string[]> {
  const path = join(directory, id);
  await writeFile(path, value, { mode: 0o600 });
  return ['--secret', `id=${id},src=${path}`];
}

async function sshOption(
  { sshAgents }: StepInputs,
  { vertex, mount }: { readonly vertex: Vertex; readonly mount: Extract<ExecMount, { readonly kind: 'ssh' }> },
): Promise<ReadonlyArray<readonly string[]>> {
  const socket = sshAgents.get(mount.id);
  const isThere =
    socket !== undefined &&
    (await stat(socket).then(
      () => true,
      () => false,
    ));
  if (isThere) return [['--ssh', `${buildahId(mount.id)}=${socket}`]];
  if (!mount.required) return [];
  const why = socket === undefined ? 'which was not given' : `whose socket ${socket} is not there`;
  throw new BuildError('SSH_MISSING', `The step needs the ssh agent "${mount.id}", ${why}.`, {
    facts: { id: mount.id },
    location: vertex.info.location,
    hint: `Give it with --ssh ${mount.id}=SOCKET.`,
  });
}
