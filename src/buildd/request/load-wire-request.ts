import { basename, dirname, isAbsolute, join } from 'node:path';
import {
  type AnnotationInput,
  type BackendKind,
  type BuildRequest,
  type ContextDirectory,
  type LoadedRequest,
  loadRequest,
} from '../../backends/index.ts';
import { BuildError, type RunContext } from '../../core/index.ts';
import {
  createIgnoreMatcher,
  type IgnoreMatcher,
  parseDockerfile,
  parseIgnoreFile,
  requireSyntax,
} from '../../dockerfile/index.ts';
import type { BuildExtension, BuildRequest as WireRequest } from '../../rpc/index.ts';
import type { Store } from '../../store/index.ts';
import type { ClientContexts } from '../contexts/client-contexts.ts';
import { type DaemonPolicy, requireEntitlement } from './daemon-policy.ts';
import { withEnvs, withMounts } from './edit-dockerfile.ts';
import {
  fieldError,
  parseAddHosts,
  parseEnvs,
  parseEpoch,
  parseFormat,
  parseNetwork,
  parsePairs,
  parsePullPolicy,
  parseShmSize,
  parseUlimits,
  unsupportedField,
} from './parse-fields.ts';
import { readBelow } from './path-policy.ts';
import { readCaches } from './read-caches.ts';
import { readCompression } from './read-compression.ts';
import { type ClientAnswers, readSecrets, readSshAgents } from './read-secrets.ts';
import { readVolumes } from './read-volumes.ts';
import { toCredentials } from './to-credentials.ts';

/** What a request is read with. */
export interface WireRequestDeps {
  readonly store: Store;
  readonly policy: DaemonPolicy;
  /** Of the client that asks. */
  readonly contexts: ClientContexts;
  /** Absent where a client cannot be asked. */
  readonly answers: ClientAnswers | undefined;
  /** Holds the caches that the build leaves for its client. */
  readonly cacheDirectory: string;
}

/** A request that is ready to be built. */
export interface WireBuild {
  readonly loaded: LoadedRequest;
  readonly planOnly: boolean;
  /** What the client should know of how its request was understood. */
  readonly warnings: readonly string[];
  /** Gives the build contexts back. */
  release(): void;
}

/**
 * Reads a request as the protocol has it: every field is honoured, or refused by an error that names it. Nothing of the
 * daemon's host is read but below the directories that its operator allows.
 *
 * @throws BuildError `USAGE`, `UNSUPPORTED`, `NOT_ALLOWED`, `CONTEXT_*`, `DOCKERFILE_*`, `IGNORE_FILE_SYNTAX`.
 */
export async function loadWireRequest(
  deps: WireRequestDeps,
  message: WireRequest,
  context: RunContext,
): Promise<WireBuild> {
  refuseUnknown(message, deps.policy);
  const releases: Array<() => void> = [];
  const release = (): void => {
    for (const call of releases.splice(0)) call();
  };
  try {
    const openTree = async (tree: string): Promise<string> => {
      const opened = await deps.contexts.openTree(tree, context.signal);
      releases.push(opened.release);
      return opened.directory;
    };
    return { ...(await load({ ...deps, openTree }, message, context)), release };
  } catch (error) {
    release();
    throw error;
  }
}

type LoadDeps = WireRequestDeps & { readonly openTree: (tree: string) => Promise<string> };

async function load(deps: LoadDeps, message: WireRequest, context: RunContext): Promise<Omit<WireBuild, 'release'>> {
  const { policy, store } = deps;
  const extension = message.extension;
  const root = await openRoot(deps, message);
  const file = readDockerfile(message, root);
  const volumes = readVolumes(message.volumes, policy);
  const named = await openNamedContexts(deps, extension?.buildContexts ?? {});
  const request: BuildRequest = {
    ...(await toRequest(deps, message)),
    context: root === undefined ? { kind: 'empty' } : { kind: 'directory', path: root.directory },
    dockerfile: { kind: 'text', text: file.text, fileName: file.name },
    buildContexts: {
      ...Object.fromEntries([...named.directories, ...volumes.directories]),
      ...named.others,
    },
  };
  // Everything but files of this host is read as for any other build.
  const loaded = await loadRequest(
    store,
    { ...request, context: { kind: 'empty' }, buildContexts: named.others },
    context,
  );
  requireSyntax({ fileName: file.name, text: file.text }, request.buildArgs?.['BUILDKIT_SYNTAX']);
  const dockerfile = parseDockerfile(file.text, { fileName: file.name });
  const plain = (directory: string): ContextDirectory => ({ directory, ignore: undefined });
  return {
    planOnly: extension?.planOnly ?? false,
    warnings: isolationWarnings(message),
    loaded: {
      request,
      dockerfile: withMounts(withEnvs(dockerfile, parseEnvs(message.envs)), volumes.mounts),
      context: { directory: root?.directory, ignore: root?.isUploaded === false ? file.ignore : undefined },
      directories: new Map([
        ...loaded.directories,
        ...[...named.directories, ...volumes.directories].map(([name, path]) => [name, plain(path)] as const),
      ]),
      project: extension?.project || message.contextDir || '',
    },
  };
}

/** Fields that say nothing here, or ask for what is not there. */
function refuseUnknown(message: WireRequest, policy: DaemonPolicy): void {
  const { isolation, extension } = message;
  if (!['', 'default', 'oci', 'rootless', 'chroot'].includes(isolation)) {
    throw fieldError('isolation', `has "${isolation}"`, 'It is one of: default, oci, rootless, chroot.');
  }
  const backend = extension?.backend ?? '';
  if (backend !== '' && backend !== policy.backend) {
    throw unsupportedField('extension.backend', `this daemon builds with ${policy.backend}, not with ${backend}`);
  }
}

/** The kinds of isolation are buildah's; what steps get here is never less than what the weaker ones promise. */
function isolationWarnings({ isolation }: WireRequest): readonly string[] {
  if (isolation === '' || isolation === 'default') return [];
  return [
    `isolation "${isolation}" is a way in which buildah runs steps; here every step runs in namespaces of its own, as by default.`,
  ];
}

interface Root {
  /** Real path. */
  readonly directory: string;
  /** Ignore rules were applied before it was sent. */
  readonly isUploaded: boolean;
}

async function openRoot({ policy, openTree }: LoadDeps, message: WireRequest): Promise<Root | undefined> {
  const tree = message.extension?.contextTree ?? '';
  if (tree !== '' && message.contextDir !== '') {
    throw fieldError('context_dir', 'is set beside extension.context_tree', 'Leave one of them empty.');
  }
  if (tree !== '') return { directory: await openTree(tree), isUploaded: true };
  if (message.contextDir !== '') {
    return { directory: policy.paths.resolve(message.contextDir, 'context_dir'), isUploaded: false };
  }
  if (message.extension?.dockerfile !== undefined) return undefined;
  throw fieldError('context_dir', 'is empty, and nothing was uploaded either');
}

/** As much as a message could hold. */
const MAX_DOCKERFILE_CHARS = 16 << 20;

interface DockerfileText {
  readonly name: string;
  readonly text: string;
  readonly ignore: IgnoreMatcher | undefined;
}

/**
 * The Dockerfile: sent with the request, or read below the context. Several are one after the other, as buildah reads them.
 */
function readDockerfile(message: WireRequest, root: Root | undefined): DockerfileText {
  const { extension, dockerfilePaths } = message;
  if (extension?.dockerfile !== undefined) {
    const text = Buffer.from(extension.dockerfile).toString('utf8');
    return { name: extension.dockerfileName || 'Dockerfile', text, ignore: readIgnore(root, undefined) };
  }
  if (root === undefined) throw fieldError('dockerfile_paths', 'needs a context to read from');
  const paths = dockerfilePaths.length > 0 ? dockerfilePaths : [findDefault(root)];
  let chars = 0;
  const files = paths.map((path) => {
    const text = readInside(root, path, 'dockerfile_paths');
    chars += text.length;
    if (chars > MAX_DOCKERFILE_CHARS) throw fieldError('dockerfile_paths', 'names more than 16 MiB');
    return { path, text };
  });
  const [first] = files;
  return {
    name: files.map(({ path }) => path).join(' + '),
    text: files.map(({ text }) => (text.endsWith('\n') || files.length === 1 ? text : `${text}\n`)).join(''),
    ignore: readIgnore(root, first?.path),
  };
}

function findDefault(root: Root): string {
  for (const name of ['Dockerfile', 'Containerfile']) {
    if (tryRead(root, name) !== undefined) return name;
  }
  throw new BuildError('DOCKERFILE_NOT_FOUND', 'There is no Dockerfile or Containerfile in the build context.');
}

/** A file of the context, by a path in it or an absolute one. @throws BuildError `DOCKERFILE_NOT_FOUND`, `NOT_ALLOWED` */
function readInside(root: Root, path: string, field: string): string {
  const absolute = isAbsolute(path) ? path : join(root.directory, path);
  try {
    return readBelow([root.directory], absolute, field).toString('utf8');
  } catch (error) {
    if (!(error instanceof BuildError) || error.code !== 'SOURCE_NOT_FOUND') throw error;
    throw new BuildError('DOCKERFILE_NOT_FOUND', `The Dockerfile ${path} is not in the build context.`, {
      cause: error,
    });
  }
}

function readIgnore(root: Root | undefined, dockerfile: string | undefined): IgnoreMatcher | undefined {
  if (root === undefined || root.isUploaded) return undefined;
  const own = dockerfile === undefined ? [] : [join(dirname(dockerfile), `${basename(dockerfile)}.dockerignore`)];
  for (const path of [...own, '.dockerignore']) {
    const text = tryRead(root, path);
    if (text === undefined) continue;
    const patterns = parseIgnoreFile(text, { fileName: basename(path) });
    return patterns.length === 0 ? undefined : createIgnoreMatcher(patterns);
  }
  return undefined;
}

function tryRead(root: Root, path: string): string | undefined {
  try {
    return readInside(root, path, 'context_dir');
  } catch (error) {
    if (error instanceof BuildError && error.code === 'DOCKERFILE_NOT_FOUND') return undefined;
    throw error;
  }
}

interface NamedContexts {
  readonly directories: ReadonlyMap<string, string>;
  /** Images, stages, URLs. */
  readonly others: Readonly<Record<string, string>>;
}

async function openNamedContexts(
  { policy, openTree }: LoadDeps,
  contexts: { readonly [name: string]: string },
): Promise<NamedContexts> {
  const directories = new Map<string, string>();
  const others: Record<string, string> = {};
  for (const [name, value] of Object.entries(contexts)) {
    const field = `extension.build_contexts[${name}]`;
    if (value.startsWith('layout:')) others[name] = await uploadedLayout(openTree, value, field);
    else if (value.startsWith('tree:')) directories.set(name, await openTree(value.slice('tree:'.length)));
    else if (/^(docker-image:\/\/|target:|input:)/.test(value)) others[name] = value;
    else if (/^(https?|git|ssh):\/\/|^[\w.-]+@[\w.-]+:/.test(value)) others[name] = value;
    else if (value.startsWith('oci-layout://')) others[name] = layoutContext(policy, value, field);
    else directories.set(name, policy.paths.resolve(value, field));
  }
  return { directories, others };
}

/** `layout:TREE[:TAG][@DIGEST]` as a layout of this host. @throws BuildError `USAGE`, `CONTEXT_INVALID` */
async function uploadedLayout(openTree: LoadDeps['openTree'], value: string, field: string): Promise<string> {
  const match = /^layout:(sha256:[0-9a-f]{64})((?::[^/:@]+)?(?:@[a-z0-9]+:[0-9a-f]+)?)$/.exec(value);
  if (match === null) throw fieldError(field, `takes layout:TREE[:TAG][@DIGEST], not "${value}"`);
  return `oci-layout://${await openTree(match[1]!)}${match[2]}`;
}

/** `oci-layout://PATH[:TAG|@DIGEST]` with the real path. */
function layoutContext({ paths }: DaemonPolicy, value: string, field: string): string {
  const match = /^oci-layout:\/\/(.*?)((?::[\w.-]+)?(?:@sha\d+:[0-9a-f]+)?)$/.exec(value);
  return `oci-layout://${paths.resolve(match?.[1] ?? '', field)}${match?.[2] ?? ''}`;
}

type Fields = Omit<BuildRequest, 'context' | 'dockerfile' | 'buildContexts'>;

async function toRequest(deps: LoadDeps, message: WireRequest): Promise<Fields> {
  const { policy, answers } = deps;
  const { extension } = message;
  const shmSizeBytes = parseShmSize(message.shmSize);
  const sourceDateEpoch = parseEpoch(message.sourceDateEpoch, extension?.epochSet ?? false);
  const credentials = toCredentials(extension?.credentials ?? {});
  return {
    buildArgs: message.buildArgs,
    ...(message.targetStage === '' ? {} : { target: message.targetStage }),
    ...readPlatform(message.platforms),
    tags: message.tags,
    labels: parsePairs(message.labels, 'labels'),
    annotations: readAnnotations(message),
    noCache: message.noCache,
    noCacheFilter: extension?.noCacheFilter ?? [],
    pull: parsePullPolicy(message.pullPolicy),
    secrets: readSecrets(message, policy, answers),
    ssh: await readSshAgents(message, policy, answers),
    addHosts: parseAddHosts(message.addHosts),
    ...readNetwork(message, policy),
    ...(shmSizeBytes === undefined ? {} : { shmSizeBytes }),
    ulimits: parseUlimits(message.ulimits),
    ...readOutput(extension),
    push: extension?.push ?? false,
    ...(extension === undefined || extension.parallelism === 0 ? {} : { parallelism: extension.parallelism }),
    ...(sourceDateEpoch === undefined ? {} : { sourceDateEpoch }),
    rewriteTimestamp: message.rewriteTimestamp,
    squash: readSquash(message),
    ...(await readCaches(deps, message)),
    format: parseFormat(message.format),
    ...(credentials === undefined ? {} : { credentials }),
    backend: policy.backend as BackendKind,
    strict: extension?.strict ?? false,
  };
}

/** Several make an index. */
function readPlatform(platforms: readonly string[]): Pick<BuildRequest, 'platform'> {
  const named = [...new Set(platforms.map((platform) => platform.trim()))];
  if (named.some((platform) => platform === '' || platform.includes(','))) {
    throw fieldError('platforms', `takes one platform an item, not "${platforms.join('", "')}"`);
  }
  return named.length === 0 ? {} : { platform: named.join(',') };
}

function readNetwork(message: WireRequest, policy: DaemonPolicy): Pick<BuildRequest, 'network' | 'allow'> {
  const { extension, hostNetwork } = message;
  const named = parseNetwork(extension?.network ?? '');
  if (hostNetwork && named !== undefined && named !== 'host') {
    throw fieldError('host_network', `is set, but extension.network is ${named}`);
  }
  const network = hostNetwork ? 'host' : named;
  if (network === 'host')
    requireEntitlement(policy, 'network.host', hostNetwork ? 'host_network' : 'extension.network');
  for (const name of extension?.allow ?? []) requireEntitlement(policy, name, 'extension.allow');
  const allow = [...(extension?.allow ?? []), ...(network === 'host' ? ['network.host'] : [])];
  return { allow, ...(network === undefined ? {} : { network }) };
}

function readOutput(extension: BuildExtension | undefined): Pick<BuildRequest, 'outputs'> {
  if (extension === undefined) return { outputs: [{ kind: 'image' }] };
  return { outputs: [{ kind: 'image', ...readCompression(extension, 'extension.compression') }] };
}

/** Those of the request are for every manifest. */
function readAnnotations({ annotations, extension }: WireRequest): readonly AnnotationInput[] {
  const plain = Object.entries(parsePairs(annotations, 'annotations')).map(([key, value]) => ({ key, value }));
  const placed = (extension?.annotations ?? []).map(({ key, value, level: text, platform }): AnnotationInput => {
    const level = ANNOTATION_LEVELS.find((known) => known === (text || 'manifest'));
    if (level === undefined || key === '') {
      throw fieldError(
        'extension.annotations',
        `has the level "${text}" for "${key}"`,
        `It is one of: ${ANNOTATION_LEVELS.join(', ')}.`,
      );
    }
    return { key, value, level, ...(platform === '' ? {} : { platform }) };
  });
  return [...plain, ...placed];
}

const ANNOTATION_LEVELS = ['manifest', 'index', 'manifest-descriptor', 'index-descriptor'] as const;

/** Without intermediate layers buildah makes one layer of all that the build adds, which is what squashing does. */
function readSquash({ squash, layers, extension }: WireRequest): NonNullable<BuildRequest['squash']> {
  const since = extension?.squashSince ?? '';
  return since === '' ? squash || !layers : { since };
}
