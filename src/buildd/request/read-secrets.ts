import { statSync } from 'node:fs';
import type { SecretInput } from '../../backends/index.ts';
import { BuildError } from '../../core/index.ts';
import type { BuildRequest as WireRequest } from '../../rpc/index.ts';
import type { DaemonPolicy } from './daemon-policy.ts';
import { fieldError, parseCommaFields, unsupportedField } from './parse-fields.ts';

/** Answers for a client: its secrets, and its ssh agents as sockets of this host. */
export interface ClientAnswers {
  /** Undefined: the client has no such secret. */
  secret(id: string): Promise<Uint8Array | undefined>;
  /** Path of a socket that leads to the client's agent. */
  sshSocket(id: string): Promise<string>;
}

/**
 * The secrets that a request may use: files and variables of this host as far as the operator allows them, and those of the
 * client's own host, which are asked for when a step needs them.
 *
 * @throws BuildError `USAGE`, `NOT_ALLOWED`, `SOURCE_NOT_FOUND`
 */
export function readSecrets(
  message: WireRequest,
  policy: DaemonPolicy,
  answers: ClientAnswers | undefined,
): Readonly<Record<string, SecretInput>> {
  const secrets = new Map<string, SecretInput>();
  const add = (id: string, secret: SecretInput): void => {
    if (id === '' || secrets.has(id)) throw fieldError('secrets', `names the secret "${id}" twice, or none`);
    secrets.set(id, secret);
  };
  for (const text of message.secrets) {
    const { id, secret } = hostSecret(text, policy);
    add(id, secret);
  }
  for (const id of message.extension?.secretIds ?? []) {
    if (answers === undefined) {
      throw unsupportedField('extension.secret_ids', 'a client can answer only in the RPC Session, not in Build');
    }
    add(id, { kind: 'provider', provide: () => requireAnswer(id, answers) });
  }
  return Object.fromEntries(secrets);
}

function hostSecret(text: string, policy: DaemonPolicy): { readonly id: string; readonly secret: SecretInput } {
  const fields = parseCommaFields(text, 'secrets');
  for (const key of fields.keys()) {
    if (!['id', 'src', 'source', 'env', 'type'].includes(key))
      throw fieldError('secrets', `has the unknown key "${key}"`);
  }
  const id = fields.get('id') ?? '';
  const source = fields.get('src') ?? fields.get('source');
  const name = fields.get('env') ?? (fields.get('type') === 'env' ? source : undefined);
  if (name !== undefined) return { id, secret: envSecret(name, policy) };
  const path = source ?? id;
  policy.paths.read(path, 'secrets');
  return { id, secret: { kind: 'provider', provide: async () => policy.paths.read(path, 'secrets') } };
}

function envSecret(name: string, policy: DaemonPolicy): SecretInput {
  if (policy.secretEnvs.includes(name)) return { kind: 'env', name };
  throw new BuildError('NOT_ALLOWED', `secrets: the daemon's operator has not allowed its variable ${name}.`, {
    hint: `The daemon allows it when it is started with --allow-secret-env ${name}.`,
  });
}

async function requireAnswer(id: string, answers: ClientAnswers): Promise<Uint8Array> {
  const value = await answers.secret(id);
  if (value !== undefined) return value;
  throw new BuildError('SECRET_MISSING', `The client has no secret "${id}".`, { facts: { id } });
}

/**
 * The ssh agents that a request may use, as sockets.
 *
 * @throws BuildError `USAGE`, `NOT_ALLOWED`, `UNSUPPORTED` for private keys.
 */
export async function readSshAgents(
  message: WireRequest,
  policy: DaemonPolicy,
  answers: ClientAnswers | undefined,
): Promise<Readonly<Record<string, string>>> {
  const agents = new Map<string, string>();
  const add = (id: string, socket: string): void => {
    if (id === '' || agents.has(id)) throw fieldError('ssh', `names the agent "${id}" twice, or none`);
    agents.set(id, socket);
  };
  for (const text of message.ssh) {
    const at = text.indexOf('=');
    if (at < 0) add(text, ownAgent(policy));
    else add(text.slice(0, at), agentSocket(text.slice(at + 1), policy));
  }
  for (const id of message.extension?.sshIds ?? []) {
    if (answers === undefined) {
      throw unsupportedField('extension.ssh_ids', 'a client can answer only in the RPC Session, not in Build');
    }
    add(id, await answers.sshSocket(id));
  }
  return Object.fromEntries(agents);
}

function ownAgent({ sshAgent }: DaemonPolicy): string {
  if (sshAgent !== undefined) return sshAgent;
  throw new BuildError('NOT_ALLOWED', "ssh: the daemon's operator has not allowed the daemon's own ssh agent.", {
    hint: 'Send your own agent (ssh_ids in a session), or start the daemon with --allow-ssh-agent.',
  });
}

function agentSocket(path: string, policy: DaemonPolicy): string {
  const real = policy.paths.resolve(path, 'ssh');
  if (statSync(real, { throwIfNoEntry: false })?.isSocket() === true) return real;
  throw unsupportedField('ssh', `${path} is no socket of an agent, and private keys are not taken`);
}
