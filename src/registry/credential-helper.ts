import { spawn } from 'node:child_process';
import { BuildError } from '../core/index.ts';
import { redactText } from './redact.ts';
import type { Credentials } from './types.ts';

/** What a helper program said. */
export type HelperAnswer =
  | { readonly kind: 'found'; readonly credentials: Credentials }
  /** It works and has nothing for this registry. */
  | { readonly kind: 'none' }
  /** It is not installed, or failed; `reason` is half a sentence without secrets. */
  | { readonly kind: 'failed'; readonly reason: string };

export interface HelperCall {
  /** `docker-credential-<name>` is run. */
  readonly name: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

const TIMEOUT_MS = 60_000;
const OUTPUT_LIMIT = 1024 * 1024;
const NOT_FOUND = /credentials not found|no credentials/i;

/** `docker-credential-X get` (docker-credential-helpers): the registry on stdin, JSON on stdout. */
export async function getFromHelper(call: HelperCall, serverUrl: string): Promise<HelperAnswer> {
  const run = await runHelper(call, { verb: 'get', input: serverUrl });
  if (run.kind === 'failed') return run;
  if (run.exitCode !== 0) {
    const said = run.output.trim();
    return NOT_FOUND.test(said) ? { kind: 'none' } : { kind: 'failed', reason: failureOf(call, said) };
  }
  const fields = parseAnswer(run.output);
  if (fields === undefined) return { kind: 'failed', reason: `docker-credential-${call.name} did not answer in JSON` };
  const { Username = '', Secret = '' } = fields;
  if (Secret === '') return { kind: 'none' };
  // This name says that the secret is an identity token.
  if (Username === '<token>') return { kind: 'found', credentials: { kind: 'identity-token', token: Secret } };
  return { kind: 'found', credentials: { kind: 'basic', username: Username, password: Secret } };
}

/** `docker-credential-X store`. @throws BuildError `CREDENTIALS_INVALID` */
export async function storeInHelper(
  call: HelperCall,
  entry: { readonly serverUrl: string; readonly username: string; readonly secret: string },
): Promise<void> {
  const input = JSON.stringify({ ServerURL: entry.serverUrl, Username: entry.username, Secret: entry.secret });
  await runOrThrow(call, { verb: 'store', input });
}

/** `docker-credential-X erase`. False when the helper had nothing. @throws BuildError `CREDENTIALS_INVALID` */
export async function eraseFromHelper(call: HelperCall, serverUrl: string): Promise<boolean> {
  const known = await getFromHelper(call, serverUrl);
  if (known.kind === 'none') return false;
  await runOrThrow(call, { verb: 'erase', input: serverUrl });
  return true;
}

type HelperRun =
  | { readonly kind: 'ended'; readonly exitCode: number; readonly output: string }
  | { readonly kind: 'failed'; readonly reason: string };

interface HelperInput {
  readonly verb: 'get' | 'store' | 'erase';
  readonly input: string;
}

async function runOrThrow(call: HelperCall, input: HelperInput): Promise<void> {
  const run = await runHelper(call, input);
  if (run.kind === 'ended' && run.exitCode === 0) return;
  const reason = run.kind === 'failed' ? run.reason : failureOf(call, run.output.trim());
  throw new BuildError('CREDENTIALS_INVALID', `Could not ${input.verb} credentials: ${reason}.`, {
    hint: 'Repair the helper, or take it out of docker\'s config.json ("credsStore", "credHelpers").',
  });
}

function failureOf({ name }: HelperCall, said: string): string {
  const text = redactText(said).slice(0, 200);
  return `docker-credential-${name} failed${text === '' ? '' : ` ("${text}")`}`;
}

function runHelper({ name, env }: HelperCall, { verb, input }: HelperInput): Promise<HelperRun> {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(name)) {
    return Promise.resolve({ kind: 'failed', reason: `"${name}" is not the name of a credential helper` });
  }
  return new Promise((resolve) => {
    const program = `docker-credential-${name}`;
    const child = spawn(program, [verb], { env: { ...env }, stdio: ['pipe', 'pipe', 'ignore'], timeout: TIMEOUT_MS });
    const chunks: Buffer[] = [];
    let size = 0;
    child.stdout.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size <= OUTPUT_LIMIT) chunks.push(chunk);
      else child.kill('SIGKILL');
    });
    child.once('error', (error: NodeJS.ErrnoException) => {
      const reason =
        error.code === 'ENOENT' ? `${program} is not installed` : `${program} cannot be run (${error.code})`;
      resolve({ kind: 'failed', reason });
    });
    child.once('close', (exitCode, signal) => {
      if (signal !== null) resolve({ kind: 'failed', reason: `${program} was ended by ${signal}` });
      else resolve({ kind: 'ended', exitCode: exitCode ?? 1, output: Buffer.concat(chunks).toString('utf8') });
    });
    // A helper that does not read its input is judged by how it ends.
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
  });
}

function parseAnswer(output: string): { readonly Username?: string; readonly Secret?: string } | undefined {
  try {
    const value: unknown = JSON.parse(output);
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}
