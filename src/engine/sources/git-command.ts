import { spawn } from 'node:child_process';
import { BuildError, type RunContext, throwIfCancelled } from '../../core/index.ts';
import { redactUrl } from './redact-url.ts';

/** Runs `git` on behalf of one repository. */
export interface Git {
  /** Standard output, trimmed. @throws BuildError `GIT_FAILED`, `HOST_LACKS`, `CANCELLED`. */
  run(args: readonly string[], options?: { readonly cwd?: string }): Promise<string>;
}

/** What git is given besides its arguments; secrets go by the environment, never by arguments. */
export interface GitAccess {
  readonly url: string;
  /** Value of an `Authorization` header for the origin of an http(s) URL. */
  readonly authorization?: string | undefined;
  /** Path of an agent's socket for ssh. */
  readonly sshAgent?: string | undefined;
}

/** Passed on from our own environment: where programs are, proxies, certificates. */
const KEPT_VARIABLES =
  /^(PATH|TMPDIR|(https?|all|no)_proxy|(HTTPS?|ALL|NO)_PROXY|SSL_CERT_(FILE|DIR)|GIT_SSL_CAINFO|CURL_CA_BUNDLE)$/;
const MAX_OUTPUT_BYTES = 16 << 20;
const MAX_MESSAGE_LINES = 5;

/**
 * Git without anything of the user's or the system's configuration: no hooks, no filters, no credential helpers, no prompts,
 * and only http(s), ssh and git as protocols, also for submodules.
 */
export function createGit(access: GitAccess, context: RunContext): Git {
  const env = environmentOf(access);
  return {
    run: (args, options) => {
      throwIfCancelled(context.signal);
      return runGit({ args, env, url: access.url, cwd: options?.cwd }, context.signal);
    },
  };
}

/** The URL as git gets it: user and password of http(s) are taken out, and returned as a header. */
export function splitCredentials(text: string): { readonly url: string; readonly authorization?: string } {
  if (!/^https?:\/\//i.test(text) || !URL.canParse(text)) return { url: text };
  const url = new URL(text);
  if (url.username === '') return { url: text };
  const pair = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
  url.username = '';
  url.password = '';
  return { url: url.href, authorization: `Basic ${Buffer.from(pair).toString('base64')}` };
}

function environmentOf({ url, authorization, sshAgent }: GitAccess): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => KEPT_VARIABLES.test(name));
  const config: (readonly [string, string])[] = [
    ['core.hooksPath', '/dev/null'],
    ['core.fsmonitor', 'false'],
    ['core.autocrlf', 'false'],
    ['core.symlinks', 'true'],
    ['core.fileMode', 'true'],
    ['credential.helper', ''],
    ['init.defaultBranch', 'main'],
    ['advice.detachedHead', 'false'],
    ['gc.auto', '0'],
    ['safe.directory', '*'],
    ...(authorization === undefined
      ? []
      : [[`http.${new URL(url).origin}/.extraHeader`, `Authorization: ${authorization}`] as const]),
  ];
  const pairs = config.flatMap(([key, value], index) => [
    [`GIT_CONFIG_KEY_${index}`, key],
    [`GIT_CONFIG_VALUE_${index}`, value],
  ]);
  return {
    ...Object.fromEntries(kept),
    ...Object.fromEntries(pairs),
    GIT_CONFIG_COUNT: String(config.length),
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_ATTR_NOSYSTEM: '1',
    GIT_TERMINAL_PROMPT: '0',
    GIT_ALLOW_PROTOCOL: 'http:https:ssh:git',
    // Keys come from the agent that the request names: those in the home of whoever builds are not the request's to use.
    GIT_SSH_COMMAND: 'ssh -F /dev/null -o BatchMode=yes -o IdentityFile=none',
    HOME: '/nonexistent',
    LC_ALL: 'C',
    ...(sshAgent === undefined ? {} : { SSH_AUTH_SOCK: sshAgent }),
  };
}

interface GitRun {
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly url: string;
  readonly cwd: string | undefined;
}

function runGit({ args, env, url, cwd }: GitRun, signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    // A group of its own, so that the helpers which git starts end with it.
    const child = spawn('git', args, { env, cwd, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    const output = collect(child.stdout);
    const errors = collect(child.stderr);
    const kill = (): void => {
      if (child.pid === undefined) return;
      try {
        process.kill(-child.pid, 'SIGKILL');
      } catch {
        // It has ended by itself.
      }
    };
    signal.addEventListener('abort', kill, { once: true });
    child.on('error', (error) => {
      signal.removeEventListener('abort', kill);
      reject(cannotStart(error));
    });
    child.on('close', (code) => {
      signal.removeEventListener('abort', kill);
      if (signal.aborted) reject(new BuildError('CANCELLED', 'The operation was cancelled.', { cause: signal.reason }));
      else if (code === 0) resolve(output().trim());
      else reject(failed({ command: args[0] ?? '', url, errors: errors() }));
    });
  });
}

/** What a stream gives, up to a bound. */
function collect(stream: NodeJS.ReadableStream): () => string {
  const chunks: Buffer[] = [];
  let size = 0;
  stream.on('data', (chunk: Buffer) => {
    size += chunk.length;
    if (size <= MAX_OUTPUT_BYTES) chunks.push(chunk);
  });
  return () => Buffer.concat(chunks).toString('utf8');
}

function cannotStart(error: NodeJS.ErrnoException): BuildError {
  if (error.code !== 'ENOENT')
    return new BuildError('GIT_FAILED', `git cannot be started: ${error.message}`, { cause: error });
  return new BuildError('HOST_LACKS', 'A git repository cannot be fetched: the program git is not installed.', {
    cause: error,
    hint: 'Install git, such as with "apt-get install git".',
  });
}

function hintFor(errors: string): string {
  if (/could not read Username|Authentication failed|403|401/.test(errors)) {
    return 'Give a token as the secret GIT_AUTH_TOKEN, such as with --secret id=GIT_AUTH_TOKEN.';
  }
  if (/Permission denied \(publickey/.test(errors)) {
    return 'Keys come from an SSH agent alone: add yours with ssh-add, and build with --ssh default.';
  }
  return 'Check the address, the branch or tag, and the network.';
}

function failed({
  command,
  url,
  errors,
}: {
  readonly command: string;
  readonly url: string;
  readonly errors: string;
}): BuildError {
  const lines = errors.trim().split('\n').filter(Boolean).slice(-MAX_MESSAGE_LINES);
  const text = lines.map((line) => line.replace(/\/\/[^@/\s]*@/g, '//')).join('\n');
  return new BuildError('GIT_FAILED', `git ${command} of ${redactUrl(url)} failed: ${text || 'it gave no reason'}`, {
    hint: hintFor(errors),
  });
}
