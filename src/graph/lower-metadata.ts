import { BuildError, withLocation } from '../core/index.ts';
import {
  type CommandForm,
  type HealthcheckInstruction,
  type Instruction,
  parsePorts,
  parseSignal,
} from '../dockerfile/index.ts';
import type { Healthcheck } from '../oci/index.ts';
import { formatHealthcheck, quoteWords } from './history-text.ts';
import { createExpander, type Expander, locationOf, type SourceText, variablesOf, withVariable } from './scope.ts';
import { type StageState, shellOf, withConfig, withHistory } from './stage-state.ts';

/** What one instruction is lowered with. */
export interface MetadataInput {
  readonly state: StageState;
  readonly expander: Expander;
  readonly source: SourceText;
  /** Build args that the user gave, and values of global ARGs: what a bare `ARG NAME` takes. */
  readonly given: Readonly<Record<string, string>>;
  readonly globalArgs: ReadonlyMap<string, string>;
}

type MetadataInstruction = Exclude<Instruction, { kind: 'run' | 'copy' | 'add' | 'workdir' }>;

/** Lowers an instruction that makes no layer. */
export function lowerMetadata(input: MetadataInput, instruction: MetadataInstruction): StageState {
  const { state, expander } = input;
  switch (instruction.kind) {
    case 'arg':
      return lowerArg(input, instruction);
    case 'env':
      return lowerEnv(input, instruction);
    case 'label': {
      const labels = instruction.pairs.map(({ key, value }) => [expander.word(key), expander.word(value)] as const);
      const next = withConfig(state, { Labels: { ...state.config.Labels, ...Object.fromEntries(labels) } });
      return withHistory(next, `LABEL ${labels.map(([key, value]) => `${key}=${value}`).join(' ')}`);
    }
    case 'cmd': {
      const args = commandOf(state, instruction.form);
      return { ...withHistory(withConfig(state, { Cmd: args }), `CMD ${quoteWords(args)}`), cmdSet: true };
    }
    case 'entrypoint': {
      const args = commandOf(state, instruction.form);
      const next = withConfig(state, { Entrypoint: args, ...(state.cmdSet ? {} : { Cmd: undefined }) });
      return withHistory(next, `ENTRYPOINT ${quoteWords(args)}`);
    }
    case 'expose': {
      const words = instruction.ports.flatMap((word) => expander.words(word));
      const ports = located(input, instruction, () => parsePorts(words));
      const exposed = Object.fromEntries(ports.map((port) => [port, {}]));
      const next = withConfig(state, { ExposedPorts: { ...state.config.ExposedPorts, ...exposed } });
      return withHistory(next, `EXPOSE [${[...ports].sort().join(' ')}]`);
    }
    case 'volume': {
      const paths = instruction.paths.map((path) => expander.word(path));
      if (paths.includes('')) throw invalid(input, instruction, 'A VOLUME path is empty.');
      const volumes = Object.fromEntries(paths.map((path) => [path, {}]));
      const next = withConfig(state, { Volumes: { ...state.config.Volumes, ...volumes } });
      return withHistory(next, `VOLUME [${paths.join(' ')}]`);
    }
    case 'user': {
      const user = expander.word(instruction.user);
      return withHistory(withConfig(state, { User: user }), `USER ${user}`);
    }
    case 'stopsignal': {
      const signal = located(input, instruction, () => parseSignal(expander.word(instruction.signal)));
      return withHistory(withConfig(state, { StopSignal: signal }), `STOPSIGNAL ${signal}`);
    }
    case 'shell':
      return withHistory(withConfig(state, { Shell: instruction.args }), `SHELL [${instruction.args.join(' ')}]`);
    case 'healthcheck': {
      const check = healthcheckOf(instruction);
      return withHistory(withConfig(state, { Healthcheck: check }), `HEALTHCHECK ${formatHealthcheck(check)}`);
    }
    case 'maintainer':
      return { ...withHistory(state, `MAINTAINER ${instruction.name}`), author: instruction.name };
    case 'onbuild':
      return withConfig(state, { OnBuild: [...(state.config.OnBuild ?? []), instruction.trigger] });
  }
}

function lowerArg(input: MetadataInput, instruction: Extract<Instruction, { kind: 'arg' }>): StageState {
  let { variables, args } = input.state;
  // Unlike the variables of one ENV, each argument of a line sees those before it.
  const expander = createExpander(input.source, instruction, (name) => variables.get(name));
  const texts: string[] = [];
  for (const { name, value: defaultText } of instruction.args) {
    const given = input.given[name];
    // An override wins before the default is expanded, so that an error in the default does not count.
    const declared = given === undefined && defaultText !== undefined ? expander.word(defaultText) : undefined;
    const value = given ?? declared ?? input.globalArgs.get(name);
    texts.push(value === undefined ? name : `${name}=${value}`);
    args = new Map(args).set(name, value);
    if (value !== undefined) variables = withVariable(variables, name, value);
  }
  return { ...withHistory(input.state, `ARG ${texts.join(' ')}`), variables, args };
}

function lowerEnv(input: MetadataInput, instruction: Extract<Instruction, { kind: 'env' }>): StageState {
  const { state, expander } = input;
  // All values of one line see the environment before the line.
  const pairs = instruction.pairs.map(({ key, value }) => [expander.word(key), expander.word(value)] as const);
  const config = new Map([...variablesOf(state.config.Env), ...pairs]);
  const next = withConfig(state, { Env: [...config].map(([name, value]) => `${name}=${value}`) });
  const text = `ENV ${pairs.map(([name, value]) => `${name}=${value}`).join(' ')}`;
  return { ...withHistory(next, text), variables: new Map([...state.variables, ...pairs]) };
}

/** The words of a command: shell text goes to the stage's shell. */
export function commandOf(state: StageState, form: CommandForm): readonly string[] {
  return form.kind === 'exec' ? form.args : [...shellOf(state), form.script];
}

function healthcheckOf(instruction: HealthcheckInstruction): Healthcheck {
  const { form } = instruction;
  if (form === undefined) return { Test: ['NONE'] };
  return {
    Test: form.kind === 'shell' ? ['CMD-SHELL', form.script] : ['CMD', ...form.args],
    ...(instruction.intervalNs ? { Interval: instruction.intervalNs } : {}),
    ...(instruction.timeoutNs ? { Timeout: instruction.timeoutNs } : {}),
    ...(instruction.startPeriodNs ? { StartPeriod: instruction.startPeriodNs } : {}),
    ...(instruction.startIntervalNs ? { StartInterval: instruction.startIntervalNs } : {}),
    ...(instruction.retries ? { Retries: instruction.retries } : {}),
  };
}

/** Errors of a value point at its instruction. */
function located<T>(input: MetadataInput, instruction: Instruction, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw withLocation(error, locationOf(input.source, instruction.range));
  }
}

function invalid(input: MetadataInput, instruction: Instruction, message: string): BuildError {
  return new BuildError('DOCKERFILE_INVALID', message, { location: locationOf(input.source, instruction.range) });
}
