import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import type { BuildRequest, ContextInput, DockerfileInput, EngineKind, OutputInput } from '../../backends/index.ts';
import { BuildError } from '../../core/index.ts';
import type { CommandContext } from '../command.ts';
import type { BuildOptions } from '../commands/build-options.ts';
import type { OptionValues } from '../options/option-table.ts';
import { readBackend } from '../options/read-backend.ts';
import { parsePairs, parseSize, splitPair, usage } from '../options/values.ts';
import { parseAnnotations } from './parse-annotation.ts';
import { parseCacheFrom, parseCacheMountsFrom, parseCacheMountsTo, parseCacheTo } from './parse-cache.ts';
import { parseOutputs } from './parse-output.ts';
import { parseHost, parseNetwork, parsePlatforms, parsePull, parseRights, parseUlimit } from './parse-run-options.ts';
import { parseSecrets } from './parse-secret.ts';
import { parseSsh } from './parse-ssh.ts';
import { readDockerfileText, sniffInput } from './read-stdin.ts';

/** What messages call a Dockerfile that came on standard input. */
const STDIN_NAME = '<stdin>';

type Values = OptionValues<BuildOptions>;
type Outside = Pick<CommandContext, 'env' | 'cwd' | 'stdin'>;

/**
 * The request that a `zlayer build` command line means. Reads standard input where the command line says so.
 *
 * @throws BuildError `USAGE`, `UNSUPPORTED`, `SSH_MISSING`, `CONTEXT_INVALID`
 */
export async function createBuildRequest(outside: Outside, values: Values, contextText: string): Promise<BuildRequest> {
  const { outputs, tags: outputTags, rewriteTimestamp, format } = parseOutputs(values.output);
  const tags = [...new Set([...values.tag, ...outputTags])];
  const pushes = values.push || outputs.some((output) => output.kind === 'image' && output.push === true);
  if (pushes && tags.length === 0) throw usage('There is nothing to push: the image has no name.', 'Add -t NAME.');
  const platform = parsePlatforms(
    values.platform.length > 0 ? values.platform : [outside.env.DOCKER_DEFAULT_PLATFORM ?? ''],
  );
  const network = values.network === undefined ? undefined : parseNetwork(values.network);
  const options: { [Key in keyof BuildRequest]?: BuildRequest[Key] | undefined } = {
    buildArgs: parseBuildArgs(values['build-arg'], outside.env),
    target: values.target || undefined,
    platform,
    tags,
    labels: parsePairs(values.label, '--label'),
    annotations: parseAnnotations(values.annotation),
    noCache: values['no-cache'],
    noCacheFilter: values['no-cache-filter'].flatMap((text) => text.split(',')).filter((name) => name !== ''),
    pull: values.pull === undefined ? undefined : parsePull(values.pull),
    secrets: parseSecrets(values.secret, outside.env),
    ssh: parseSsh(values.ssh, outside),
    addHosts: values['add-host'].map(parseHost),
    network,
    shmSizeBytes: values['shm-size'] === undefined ? undefined : parseSize(values['shm-size'], '--shm-size'),
    ulimits: values.ulimit.map(parseUlimit),
    buildContexts: parseBuildContexts(values['build-context']),
    cacheFrom: parseCacheFrom(values['cache-from']),
    cacheTo: parseCacheTo(values['cache-to']),
    cacheMountsFrom: parseCacheMountsFrom(values['cache-mounts-from']),
    cacheMountsTo: parseCacheMountsTo(values['cache-mounts-to']),
    outputs: chooseOutputs(outputs, values),
    push: values.push,
    parallelism: values.parallelism,
    // Asking for the host's network on the command line is the permission, as with docker.
    allow: [...values.allow.flatMap(parseRights), ...(network === 'host' ? ['network.host'] : [])],
    sourceDateEpoch: parseEpoch(outside.env.SOURCE_DATE_EPOCH),
    rewriteTimestamp,
    squash: parseSquash(values.squash),
    preset: values.preset as BuildRequest['preset'],
    format,
    backend: await readBackend(values.backend),
    dataDir: values['data-dir'],
    strict: values.strict,
  };
  return { ...(await readInputs(outside, values.file, contextText)), ...dropUnset(options) };
}

/** What was not asked for is left out, so that a request prints as what the user wrote. */
function dropUnset(options: { [Key in keyof BuildRequest]?: BuildRequest[Key] | undefined }): Partial<BuildRequest> {
  const isSet = (value: unknown): boolean =>
    value !== undefined && value !== false && !(typeof value === 'object' && Object.keys(value as object).length === 0);
  return Object.fromEntries(Object.entries(options).filter(([, value]) => isSet(value))) as Partial<BuildRequest>;
}

function parseBuildArgs(texts: readonly string[], env: Outside['env']): Readonly<Record<string, string>> {
  const pairs = texts.flatMap((text) => {
    const { name, value } = splitPair(text);
    if (name === '') throw usage(`--build-arg takes NAME=VALUE, not "${text}".`);
    const given = value ?? env[name];
    return given === undefined ? [] : [[name, given] as const];
  });
  return Object.fromEntries(pairs);
}

function parseBuildContexts(texts: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(
    texts.map((text) => {
      const { name, value } = splitPair(text);
      if (name === '' || value === undefined || value === '') {
        throw usage(`--build-context takes NAME=SOURCE, not "${text}".`);
      }
      return [name, value] as const;
    }),
  );
}

function chooseOutputs(outputs: readonly OutputInput[], values: Values): readonly OutputInput[] {
  const load = parseLoad(values.load);
  if (!values.push && load === undefined) return outputs;
  const loaded = load === undefined ? [] : [load];
  if (outputs.length === 0 && loaded.length === 0) return outputs;
  const isStored = outputs.some(({ kind }) => kind === 'image');
  return [...outputs, ...(isStored ? [] : [{ kind: 'image' } as const]), ...loaded];
}

const ENGINES = ['docker', 'podman', 'containerd'] as const satisfies EngineKind[];

function parseLoad(engine: string | undefined): OutputInput | undefined {
  if (engine === undefined || engine === 'false') return undefined;
  const named = ENGINES.find((kind) => kind === engine);
  return named === undefined ? { kind: 'load' } : { kind: 'load', engine: named };
}

function parseSquash(since: string | undefined): BuildRequest['squash'] {
  if (since === undefined || since === 'false') return undefined;
  return since === 'true' || since === '' ? true : { since };
}

function parseEpoch(text: string | undefined): number | undefined {
  if (text === undefined || text === '') return undefined;
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw usage(`SOURCE_DATE_EPOCH is "${text}", not a number of seconds.`);
}

async function readInputs(
  outside: Outside,
  file: string | undefined,
  contextText: string,
): Promise<Pick<BuildRequest, 'context' | 'dockerfile'>> {
  if (file === '-' && contextText === '-') {
    throw usage(
      'Standard input cannot be both the Dockerfile and the context.',
      'Use a directory: zlayer build -f - .',
    );
  }
  if (file !== undefined && /^https?:\/\//.test(file)) {
    throw new BuildError('UNSUPPORTED', '-f cannot be a URL.', {
      hint: 'Fetch it first: curl -sSL URL | zlayer build -f - .',
    });
  }
  if (contextText === '-') return readStandardInput(outside, file);
  const context = contextOf(contextText, outside.cwd);
  if (file === '-') {
    const text = await readDockerfileText(outside.stdin);
    if (text.trim() === '') throw new BuildError('DOCKERFILE_INVALID', 'The Dockerfile on standard input is empty.');
    return { context, dockerfile: { kind: 'text', text, fileName: STDIN_NAME } };
  }
  return { context, ...(file === undefined ? {} : { dockerfile: { kind: 'path', path: file } as const }) };
}

async function readStandardInput(
  outside: Outside,
  file: string | undefined,
): Promise<Pick<BuildRequest, 'context' | 'dockerfile'>> {
  if (outside.stdin.isTTY === true) {
    throw usage(
      'Standard input is a terminal.',
      'Use `zlayer build - < Dockerfile`, `tar c . | zlayer build -`, or `zlayer build .`.',
    );
  }
  const input = await sniffInput(outside.stdin);
  if (input.isArchive) {
    const dockerfile: DockerfileInput | undefined = file === undefined ? undefined : { kind: 'path', path: file };
    return { context: { kind: 'tar', stream: input.bytes }, ...(dockerfile === undefined ? {} : { dockerfile }) };
  }
  if (file !== undefined) {
    throw usage(
      'Standard input is a Dockerfile, but -f names another.',
      'Leave out -f, or give a tar on standard input.',
    );
  }
  const text = await readDockerfileText(input.bytes);
  return { context: { kind: 'empty' }, dockerfile: { kind: 'text', text, fileName: STDIN_NAME } };
}

const URL_LIKE = /^(?:https?|git|ssh|git\+ssh):\/\/|^[\w.-]+@[\w.-]+:|^github\.com\//;

function contextOf(text: string, cwd: string): ContextInput {
  const stat = statSync(resolve(cwd, text), { throwIfNoEntry: false });
  if (stat === undefined && URL_LIKE.test(text)) return { kind: 'url', url: text };
  if (stat?.isFile() === true) {
    throw usage(
      `The context ${text} is a file, not a directory.`,
      `A Dockerfile is given with -f: zlayer build -f ${text} . An archive goes to standard input: zlayer build - < ${text}`,
    );
  }
  return { kind: 'directory', path: text };
}
