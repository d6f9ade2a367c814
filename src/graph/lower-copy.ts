import {
  BuildError,
  type Digest,
  escapePattern,
  hasWildcard,
  isDigest,
  locksDirectories,
  type ModeChange,
  parseFileMode,
  parseGitUrl,
  type SourceRange,
  withLocation,
} from '../core/index.ts';
import {
  type AddInstruction,
  type CopyInstruction,
  expandHeredocBody,
  type Heredoc,
  rangeOfArgument,
  rangeOfFlag,
} from '../dockerfile/index.ts';
import type { CopyOp, CopySource, Op, VertexId } from './ops.ts';
import { locationOf } from './scope.ts';
import { absolute, type StageState, withHistory } from './stage-state.ts';
import { describeStep, type PlacedText, type StepInput } from './step-input.ts';

type FileInstruction = AddInstruction | CopyInstruction;

/** Lowers `COPY` and `ADD` to a copy vertex; with `--link` it has no base and is merged on top of the stage. */
export function lowerCopy(input: StepInput, instruction: FileInstruction): StageState {
  const { state, builder, expander } = input;
  const chown = instruction.chown === undefined ? undefined : expander.word(instruction.chown);
  // Names of users are looked up in the stage, so such a copy depends on it after all.
  const linked = instruction.link && (chown === undefined || /^\d*(:\d+)?$/.test(chown));
  const inputs: VertexId[] = linked ? [] : [state.root];
  const sources = instruction.sources.map((source, nth) => {
    const range = rangeOfArgument(instruction, nth);
    return lowerSource(input, { instruction, source, inputs, range });
  });
  const chmod = instruction.chmod === undefined ? undefined : expander.word(instruction.chmod);
  const locks = chmod !== undefined && locksDirectories(checkChmod(input, instruction, chmod));
  const destination = expander.word(instruction.destination);
  const op: CopyOp = {
    kind: 'copy',
    ...(linked ? {} : { base: 0 }),
    sources,
    destination: destinationPath(state.cwd, destination),
    ...(chown ? { chown } : {}),
    ...(chmod ? { chmod } : {}),
    parents: instruction.parents,
    exclude: instruction.exclude.map((pattern) => expander.word(pattern)),
    ...(locks && input.options.strict ? { mustBeEnterable: true as const } : {}),
  };
  const info = describeStep(input, instruction, partsOf(instruction, op));
  const layer = builder.add(op, inputs, info);
  const root = linked ? builder.add({ kind: 'merge' }, [state.root, layer], info) : layer;
  return { ...withHistory(state, historyText(instruction, { op, destination, sources }), layer), root };
}

function partsOf(instruction: FileInstruction, op: CopyOp): readonly PlacedText[] {
  const { destination: text, chown } = op;
  const sources = op.sources.flatMap((source, nth): readonly PlacedText[] =>
    source.kind === 'inline' ? [] : [{ kind: 'source', text: source.path, range: rangeOfArgument(instruction, nth) }],
  );
  return [
    ...sources,
    { kind: 'destination', text, range: rangeOfArgument(instruction, -1) },
    ...(chown === undefined ? [] : [{ kind: 'owner', text: chown, range: rangeOfFlag(instruction, 'chown') } as const]),
  ];
}

/** `.` and a trailing slash mean: a directory. */
function destinationPath(cwd: string, destination: string): string {
  const path = absolute(cwd, destination);
  const isDirectory = destination === '' || /(^|\/)\.{0,2}$/.test(destination);
  return isDirectory && path !== '/' ? `${path}/` : path;
}

function checkChmod(input: StepInput, instruction: FileInstruction, chmod: string): ModeChange {
  try {
    return parseFileMode(chmod);
  } catch (error) {
    const hint = error instanceof BuildError ? error.hint : undefined;
    throw invalid(input, rangeOfFlag(instruction, 'chmod'), `--chmod=${chmod} is not a file mode.`, hint);
  }
}

interface HistoryInput {
  readonly op: CopyOp;
  readonly destination: string;
  readonly sources: readonly CopySource[];
}

function historyText(instruction: FileInstruction, { op, destination, sources }: HistoryInput): string {
  const names = sources.map((source) => (source.kind === 'inline' ? `<<${source.fileName}` : source.path));
  const words = [
    instruction.kind.toUpperCase(),
    ...(op.parents ? ['--parents'] : []),
    ...(op.chown === undefined ? [] : [`--chown=${op.chown}`]),
    ...(op.chmod === undefined ? [] : [`--chmod=${op.chmod}`]),
    ...names,
    destination,
  ];
  return `${words.join(' ')} # buildkit`;
}

interface SourceInput {
  readonly instruction: FileInstruction;
  readonly source: string | Heredoc;
  readonly range: SourceRange;
  /** Inputs of the vertex so far; grows. */
  readonly inputs: VertexId[];
}

/** A source that is no heredoc, expanded. */
interface PathInput<I extends FileInstruction> extends Pick<SourceInput, 'range' | 'inputs'> {
  readonly instruction: I;
  readonly path: string;
}

function lowerSource(input: StepInput, { instruction, source, inputs, range }: SourceInput): CopySource {
  if (typeof source !== 'string') {
    const { expand, body, name } = source;
    const lookup = (variable: string): string | undefined => input.state.variables.get(variable);
    return { kind: 'inline', fileName: name, text: expand ? expandHeredocBody(body, { lookup }).text : body };
  }
  const path = input.expander.word(source);
  if (instruction.kind === 'copy') return copySource(input, { instruction, path, inputs, range });
  return addSource(input, { instruction, path, inputs, range });
}

function copySource(input: StepInput, { instruction, path, inputs, range }: PathInput<CopyInstruction>): CopySource {
  const isRemote = /^(https?|git|ssh):\/\//.test(path) || path.startsWith('git@');
  if (isRemote && instruction.from === undefined) {
    throw invalid(
      input,
      range,
      `COPY cannot fetch ${path}: it copies from the context only.`,
      'Use ADD for URLs and git repositories.',
    );
  }
  const from = instruction.from === undefined ? undefined : input.originOf(instruction.from);
  const ownerless = from === undefined || from.origin.kind === 'local';
  const vertex = from?.vertex ?? input.context;
  const mustMatch = input.options.strict && hasWildcard(path);
  return { kind: 'input', input: inputOf(inputs, vertex), path, unpack: 'never', ownerless, mustMatch };
}

function addSource(input: StepInput, { instruction, path, inputs, range }: PathInput<AddInstruction>): CopySource {
  const remote = remoteOp(input, { instruction, path, range });
  const checksumRange = rangeOfFlag(instruction, 'checksum');
  if (remote === undefined) {
    if (instruction.checksum !== undefined) {
      throw invalid(
        input,
        checksumRange,
        `--checksum is for one http(s) or git source, and "${path}" is a file of the context.`,
        'Leave it out: files of the context are known by their content.',
      );
    }
    const unpack = instruction.unpack === false ? 'never' : 'auto';
    const mustMatch = input.options.strict && hasWildcard(path);
    return { kind: 'input', input: inputOf(inputs, input.context), path, unpack, ownerless: true, mustMatch };
  }
  if (instruction.checksum !== undefined && instruction.sources.length > 1) {
    throw invalid(
      input,
      checksumRange,
      '--checksum can only be given with a single source.',
      'Write an ADD for each source, with a checksum of its own.',
    );
  }
  const info = { ...describeStep(input, instruction), name: `[${remote.kind}] ${path}` };
  const vertex = input.builder.add(remote, [], { ...info, slot: `${info.slot}\n${path}` });
  const isHttp = remote.kind === 'http';
  return {
    kind: 'input',
    input: inputOf(inputs, vertex),
    path: isHttp ? `/${escapePattern(remote.fileName)}` : '/',
    unpack: isHttp && instruction.unpack ? 'always' : 'never',
    ownerless: true,
    mustMatch: false,
  };
}

/** The op that fetches a remote source; undefined for a path of the context. */
function remoteOp(
  input: StepInput,
  at: Omit<PathInput<AddInstruction>, 'inputs'>,
): Extract<Op, { kind: 'http' | 'git' }> | undefined {
  const { instruction, path: source, range } = at;
  const git = locate(input, range, () => parseGitUrl(source));
  if (git !== undefined) {
    return {
      kind: 'git',
      url: git.url,
      ...(git.ref === undefined ? {} : { ref: git.ref }),
      ...(git.subdir === undefined ? {} : { subdir: git.subdir }),
      ...(instruction.checksum === undefined && git.checksum === undefined
        ? {}
        : { checksum: (instruction.checksum ?? git.checksum)! }),
      keepGitDir: instruction.keepGitDir ?? git.keepGitDir ?? false,
      submodules: git.submodules ?? true,
    };
  }
  if (!/^https?:\/\//i.test(source)) return undefined;
  return {
    kind: 'http',
    url: source,
    fileName: httpFileName(input, at),
    ...(instruction.checksum === undefined ? {} : { checksum: checksumOf(input, instruction, instruction.checksum) }),
  };
}

/** The last part of the URL's path; with a destination that is a file, the name does not matter. */
function httpFileName(
  input: StepInput,
  { instruction, path: source, range }: Omit<PathInput<AddInstruction>, 'inputs'>,
): string {
  if (!URL.canParse(source)) throw invalid(input, range, `${source} is not a URL.`);
  const name = new URL(source).pathname.split('/').at(-1) ?? '';
  if (name !== '') return decodeURIComponentSafely(name);
  const destination = input.expander.word(instruction.destination);
  if (destination.endsWith('/') || destination === '.') {
    throw invalid(
      input,
      range,
      `No file name can be read from ${source}.`,
      'Name the file in the destination: ADD URL /directory/name.',
    );
  }
  return 'download';
}

function decodeURIComponentSafely(text: string): string {
  try {
    const decoded = decodeURIComponent(text);
    return decoded.includes('/') ? text : decoded;
  } catch {
    return text;
  }
}

function checksumOf(input: StepInput, instruction: AddInstruction, text: string): Digest {
  const expanded = input.expander.word(text);
  if (isDigest(expanded)) return expanded;
  throw invalid(
    input,
    rangeOfFlag(instruction, 'checksum'),
    `--checksum=${expanded} is not a digest.`,
    'Write it as sha256: and 64 hexadecimal digits.',
  );
}

function inputOf(inputs: VertexId[], vertex: VertexId): number {
  const known = inputs.indexOf(vertex);
  return known >= 0 ? known : inputs.push(vertex) - 1;
}

function locate<T>(input: StepInput, range: SourceRange, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw withLocation(error, locationOf(input.source, range));
  }
}

function invalid(input: StepInput, range: SourceRange, message: string, hint?: string): BuildError {
  return new BuildError('DOCKERFILE_INVALID', message, { location: locationOf(input.source, range), hint });
}
