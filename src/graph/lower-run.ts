import { BuildError, formatPlatform } from '../core/index.ts';
import { type Mount, parseMount, type RunInstruction } from '../dockerfile/index.ts';
import { proxyEnv } from './arguments.ts';
import { type ExecMount, type ExecOp, SCRIPT_PATH, type VertexId } from './ops.ts';
import { envOf, locationOf } from './scope.ts';
import { absolute, type StageState, shellOf, withHistory } from './stage-state.ts';
import { describeStep, type StepInput } from './step-input.ts';

const DEFAULT_HOSTNAME = 'buildkitsandbox';

/** Lowers `RUN` to an exec vertex. */
export function lowerRun(input: StepInput, instruction: RunInstruction): StageState {
  const { state, options, builder } = input;
  const inputs: VertexId[] = [state.root];
  const mounts = instruction.mounts.map((text, index) => {
    const mount = parseMountAt(input, instruction, text);
    return lowerMount(input, { mount, index, inputs });
  });
  const { args, script } = commandOf(state, instruction);
  const op: ExecOp = {
    kind: 'exec',
    base: 0,
    args,
    ...(script === undefined ? {} : { script }),
    env: envOf(state.variables),
    proxyEnv: proxyEnv(options.buildArgs),
    cwd: state.cwd,
    ...(state.config.User ? { user: state.config.User } : {}),
    mounts,
    network: networkOf(input, instruction),
    security: securityOf(input, instruction),
    hostname: options.buildArgs['BUILDKIT_SANDBOX_HOSTNAME'] || DEFAULT_HOSTNAME,
    extraHosts: options.extraHosts,
    ...(options.shmSizeBytes === undefined ? {} : { shmSizeBytes: options.shmSizeBytes }),
    ulimits: options.ulimits,
    platform: formatPlatform(state.platform),
  };
  if (instruction.devices.length > 0) {
    throw refuse(input, instruction, '--device is not supported.', 'No backend of this version offers CDI devices.');
  }
  const vertex = builder.add(op, inputs, describeStep(input, instruction));
  return withHistory(state, `RUN ${historyText(state, args)} # buildkit`, vertex);
}

/** The words of the command. A heredoc that stands alone is a script: run as a file when it has a `#!` line. */
function commandOf(state: StageState, run: RunInstruction): { args: readonly string[]; script?: string } {
  if (run.form.kind === 'exec') return { args: run.form.args };
  const shell = shellOf(state);
  const [first, ...others] = run.heredocs;
  if (first === undefined) return { args: [...shell, run.form.script] };
  const standsAlone = others.length === 0 && /^\d*<<-?\S+$/.test(run.form.script.trim());
  if (!standsAlone) {
    // The shell reads them again, and strips the tabs of `<<-` itself: those of the delimiter's line are gone already.
    const bodies = run.heredocs.map((heredoc) => `${heredoc.rawBody}${heredoc.name}`);
    return { args: [...shell, [run.form.script, ...bodies].join('\n')] };
  }
  return first.body.startsWith('#!') ? { args: [SCRIPT_PATH], script: first.body } : { args: [...shell, first.body] };
}

/** `|2 A=1 B=2 ` for the arguments in effect, then the command. */
function historyText(state: StageState, args: readonly string[]): string {
  const declared = [...state.args].map(([name, value]) => `${name}=${state.variables.get(name) ?? value ?? ''}`);
  return [...(declared.length === 0 ? [] : [`|${declared.length}`, ...declared]), ...args].join(' ');
}

function networkOf(input: StepInput, run: RunInstruction): ExecOp['network'] {
  const text = run.network ?? input.options.network;
  if (text !== 'default' && text !== 'none' && text !== 'host') {
    throw refuse(input, run, `--network=${text} is not a network mode.`, 'Use default, none or host.');
  }
  if (run.network === 'host') requireEntitlement(input, run, 'network.host');
  return text;
}

function securityOf(input: StepInput, run: RunInstruction): ExecOp['security'] {
  const text = run.security ?? 'sandbox';
  if (text !== 'sandbox' && text !== 'insecure') {
    throw refuse(input, run, `--security=${text} is not a security mode.`, 'Use sandbox or insecure.');
  }
  if (text === 'insecure') requireEntitlement(input, run, 'security.insecure');
  return text;
}

function requireEntitlement(input: StepInput, run: RunInstruction, name: string): void {
  if (input.options.allow.includes(name)) return;
  throw refuse(input, run, `The step needs ${name}, which is not granted.`, `Grant it with --allow ${name}.`);
}

function refuse(input: StepInput, run: RunInstruction, message: string, hint: string): BuildError {
  return new BuildError('DOCKERFILE_INVALID', message, { location: locationOf(input.source, run.range), hint });
}

function parseMountAt(input: StepInput, run: RunInstruction, text: string): Mount {
  try {
    return parseMount(text, { expand: (value) => input.expander.word(value) });
  } catch (error) {
    if (!(error instanceof BuildError) || error.location !== undefined) throw error;
    throw new BuildError(error.code, error.message, {
      hint: error.hint,
      location: locationOf(input.source, run.range),
    });
  }
}

interface MountInput {
  readonly mount: Mount;
  readonly index: number;
  /** Inputs of the vertex so far; grows. */
  readonly inputs: VertexId[];
}

function lowerMount(input: StepInput, { mount, index, inputs }: MountInput): ExecMount {
  const { cwd } = input.state;
  switch (mount.kind) {
    case 'bind': {
      const vertex = mount.from === undefined ? input.context : input.originOf(mount.from).vertex;
      const { from: _from, ...rest } = mount;
      return {
        ...rest,
        target: absolute(cwd, mount.target),
        source: absolute('/', mount.source),
        input: pushInput(inputs, vertex),
      };
    }
    case 'cache': {
      const { from, ...rest } = mount;
      const namespace = input.options.buildArgs['BUILDKIT_CACHE_MOUNT_NS'];
      const seed = from === undefined ? {} : { input: pushInput(inputs, input.originOf(from).vertex) };
      return {
        ...rest,
        ...seed,
        target: absolute(cwd, mount.target),
        source: absolute('/', mount.source),
        id: namespace ? `${namespace}/${mount.id}` : mount.id,
      };
    }
    case 'tmpfs':
      return { ...mount, target: absolute(cwd, mount.target) };
    case 'secret':
      return {
        ...mount,
        required: mount.required || input.options.strict,
        ...(mount.target === undefined ? {} : { target: absolute(cwd, mount.target) }),
      };
    case 'ssh':
      return {
        ...mount,
        required: mount.required || input.options.strict,
        target: absolute(cwd, mount.target ?? `/run/buildkit/ssh_agent.${index}`),
      };
  }
}

function pushInput(inputs: VertexId[], vertex: VertexId): number {
  const known = inputs.indexOf(vertex);
  return known >= 0 ? known : inputs.push(vertex) - 1;
}
