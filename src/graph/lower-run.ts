import { BuildError, formatPlatform, type SourceRange, withLocation } from '../core/index.ts';
import { type Mount, parseDevice, parseMount, type RunInstruction, rangeOfFlag } from '../dockerfile/index.ts';
import { proxyEnv } from './arguments.ts';
import { type ExecDevice, type ExecMount, type ExecOp, SCRIPT_PATH, type VertexId } from './ops.ts';
import { envOf, locationOf } from './scope.ts';
import { absolute, type StageState, shellOf, withHistory } from './stage-state.ts';
import { describeStep, type PlacedText, type StepInput } from './step-input.ts';

const DEFAULT_HOSTNAME = 'buildkitsandbox';

/** Lowers `RUN` to an exec vertex. */
export function lowerRun(input: StepInput, instruction: RunInstruction): StageState {
  const { state, options, builder } = input;
  const inputs: VertexId[] = [state.root];
  const mounts = instruction.mounts.map((text, index) => {
    const range = rangeOfFlag(instruction, 'mount', index);
    const mount = locate(input, range, () => parseMount(text, { expand: (value) => input.expander.word(value) }));
    return lowerMount(input, { mount, index, inputs });
  });
  const devices = instruction.devices.map((text, nth) =>
    lowerDevice(input, text, rangeOfFlag(instruction, 'device', nth)),
  );
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
    ...(devices.length === 0 ? {} : { devices }),
  };
  const vertex = builder.add(op, inputs, describeStep(input, instruction, partsOf(instruction, op)));
  return withHistory(state, `RUN ${historyText(state, args)} # buildkit`, vertex);
}

/** Words of the instruction that errors of the step are about. */
function partsOf(instruction: RunInstruction, { mounts, devices = [] }: ExecOp): readonly PlacedText[] {
  return [
    ...mounts.map((mount, nth): PlacedText => {
      const text = mount.kind === 'bind' ? mount.source : 'id' in mount ? mount.id : mount.target;
      return { kind: 'mount', text, range: rangeOfFlag(instruction, 'mount', nth) };
    }),
    ...devices.map(
      ({ name }, nth): PlacedText => ({ kind: 'device', text: name, range: rangeOfFlag(instruction, 'device', nth) }),
    ),
  ];
}

/** `--allow device` grants every device, `--allow device=NAME` one, or all of a kind. */
function lowerDevice(input: StepInput, text: string, range: SourceRange): ExecDevice {
  const { name, required } = locate(input, range, () => parseDevice(text));
  const { allow, strict } = input.options;
  const kind = name.split('=', 1)[0];
  const granted = ['device', `device=${name}`, `device=${kind}`].some((right) => allow.includes(right));
  return { name, required: required || strict, granted };
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
    const hint = 'Use default, none or host.';
    throw refuse(input, { range: rangeOfFlag(run, 'network'), message: `There is no network mode "${text}".`, hint });
  }
  if (run.network === 'host') requireEntitlement(input, rangeOfFlag(run, 'network'), 'network.host');
  return text;
}

function securityOf(input: StepInput, run: RunInstruction): ExecOp['security'] {
  const text = run.security ?? 'sandbox';
  if (text !== 'sandbox' && text !== 'insecure') {
    const hint = 'Use sandbox or insecure.';
    throw refuse(input, { range: rangeOfFlag(run, 'security'), message: `There is no security mode "${text}".`, hint });
  }
  if (text === 'insecure') requireEntitlement(input, rangeOfFlag(run, 'security'), 'security.insecure');
  return text;
}

function requireEntitlement(input: StepInput, range: SourceRange, name: string): void {
  if (input.options.allow.includes(name)) return;
  const message = `The step needs ${name}, which is not granted.`;
  throw refuse(input, { range, message, hint: `Grant it with --allow ${name}.` });
}

interface Refusal {
  readonly range: SourceRange;
  readonly message: string;
  readonly hint: string;
}

function refuse(input: StepInput, { range, message, hint }: Refusal): BuildError {
  return new BuildError('DOCKERFILE_INVALID', message, { location: locationOf(input.source, range), hint });
}

function locate<T>(input: StepInput, range: SourceRange, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw withLocation(error, locationOf(input.source, range));
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
