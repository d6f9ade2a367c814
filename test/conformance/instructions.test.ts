import { expect } from 'vitest';
import { isBuildError } from '../../src/core/index.ts';
import { parseFlags } from '../../src/dockerfile/flags.ts';
import {
  type AddInstruction,
  type CopyInstruction,
  type Dockerfile,
  type HealthcheckInstruction,
  type Instruction,
  type Mount,
  parseDevice,
  parseDockerfile,
  parseMount,
  type RunInstruction,
} from '../../src/dockerfile/index.ts';
import { createSourceText } from '../../src/dockerfile/source-text.ts';
import { type Statement, splitStatement } from '../../src/dockerfile/statement.ts';
import { type ConformanceCase, describeDataSet } from './data-set.ts';
import { instructionsOf } from './dump-tree.ts';

interface FlagDefinition {
  readonly name: string;
  readonly type: 'string' | 'bool' | 'strings';
  readonly default: string | boolean;
}

interface InstructionsCase extends ConformanceCase {
  readonly dockerfile?: string;
  readonly instruction?: string;
  readonly expect?: Readonly<Record<string, unknown>>;
  readonly observed?: Readonly<Record<string, unknown>>;
  readonly expectError?: string;
  readonly phase?: 'ast' | 'instructions' | 'expand';
  readonly error?: boolean;
  readonly flags: readonly FlagDefinition[];
  readonly args: readonly string[];
  readonly json?: boolean;
  readonly input: string;
}

type AnyInstruction = ReturnType<typeof instructionsOf>[number];

/** Cases of one instruction stand without a stage: it is put in front of them. */
function parse(text: string): Dockerfile {
  const stands = /^\s*(?:from|form)\b/im.test(text);
  return parseDockerfile(stands ? text : `FROM scratch\n${text}`, { fileName: 'Dockerfile' });
}

/** What RUN keeps for later is read here too: the reference does so when it expands the flags. */
function parseWithMounts(text: string): readonly AnyInstruction[] {
  const instructions = instructionsOf(parse(text));
  for (const instruction of instructions)
    if (instruction.kind === 'run') instruction.mounts.map((mount) => parseMount(mount));
  return instructions;
}

/** The reference names the line, but not always; ours must lie on it. */
function checkError({ dockerfile, expectError }: InstructionsCase): void {
  try {
    parseWithMounts(dockerfile!);
  } catch (error) {
    expect(isBuildError(error) ? error.kind : error).toBe('input');
    const line = /on line (\d+):/.exec(expectError ?? '')?.[1];
    if (line !== undefined && isBuildError(error)) expect(error.location?.range.start.line).toBe(Number(line));
    return;
  }
  expect.fail(`accepted, but the reference says: ${expectError}`);
}

/** An instruction in the reference's terms, as the data has them. Empty fields are left out there. */
function toFacts(instruction: AnyInstruction): Record<string, unknown> {
  const command = instruction.kind.toUpperCase();
  switch (instruction.kind) {
    case 'from':
      return withoutEmpty({
        command,
        base: instruction.image,
        name: instruction.as?.toLowerCase(),
        platform: instruction.platform,
      });
    case 'arg':
      return { command, args: instruction.args.map(({ name, value }) => ({ key: name, value: value ?? null })) };
    case 'env':
    case 'label':
      return { command, pairs: instruction.pairs.map(({ key, value, legacy }) => ({ key, value, noDelim: legacy })) };
    case 'copy':
    case 'add':
      return { command, ...copyFacts(instruction) };
    case 'run':
      return { command, ...runFacts(instruction) };
    case 'cmd':
    case 'entrypoint':
      return { command, ...formFacts(instruction) };
    case 'expose':
      return { command, ports: [...instruction.ports].sort() };
    case 'volume':
      return { command, volumes: instruction.paths };
    case 'user':
      return { command, user: instruction.user };
    case 'workdir':
      return { command, path: instruction.path };
    case 'stopsignal':
      return { command, signal: instruction.signal };
    case 'shell':
      return { command, shell: instruction.args };
    case 'onbuild':
      return { command, expression: instruction.trigger };
    case 'maintainer':
      return { command, maintainer: instruction.name };
    case 'healthcheck':
      return { command, ...healthcheckFacts(instruction) };
  }
}

function withoutEmpty(facts: Record<string, unknown>): Record<string, unknown> {
  const isEmpty = (value: unknown): boolean =>
    value === undefined || value === false || value === '' || (Array.isArray(value) && value.length === 0);
  return Object.fromEntries(Object.entries(facts).filter(([, value]) => !isEmpty(value)));
}

function copyFacts(instruction: CopyInstruction | AddInstruction): Record<string, unknown> {
  const { chown, chmod, link, parents, exclude, sources, destination } = instruction;
  const rest = instruction.kind === 'copy' ? { from: instruction.from } : { checksum: instruction.checksum };
  return {
    ...withoutEmpty({ chown, chmod, link, parents, exclude: [...exclude], ...rest }),
    ...(instruction.kind === 'add' && instruction.keepGitDir !== undefined
      ? { keepGitDir: instruction.keepGitDir }
      : {}),
    ...(instruction.kind === 'add' && instruction.unpack !== undefined ? { unpack: instruction.unpack } : {}),
    sources: sources.filter((source) => typeof source === 'string'),
    contents: sources
      .filter((source) => typeof source !== 'string')
      .map(({ name, body, expand }) => ({ path: name, data: body, expand })),
    dest: destination,
  };
}

function formFacts({ form }: Extract<Instruction, { kind: 'run' | 'cmd' | 'entrypoint' }>): Record<string, unknown> {
  if (form.kind === 'exec') return { cmdline: form.args, shellForm: false };
  return { cmdline: form.script === '' ? [] : [form.script], shellForm: true };
}

function runFacts(instruction: RunInstruction): Record<string, unknown> {
  const device = instruction.devices[0];
  const flagNames = instruction.words
    .filter(({ role }) => role === 'flag')
    .map(({ text }) => text.slice(2).split('=')[0]!);
  return {
    ...formFacts(instruction),
    network: instruction.network ?? 'default',
    security: instruction.security ?? 'sandbox',
    ...withoutEmpty({ flagsUsed: [...new Set(flagNames)].sort() }),
    ...(instruction.mounts.length === 0
      ? {}
      : { mounts: instruction.mounts.map((mount) => mountFacts(parseMount(mount), mount)) }),
    ...(device === undefined ? {} : { device: parseDevice(device) }),
  };
}

/** The reference keeps what was given, ours has the defaults applied: only options that stand in the text are compared. */
function mountFacts(mount: Mount, text: string): Record<string, unknown> {
  const given = (name: string, ...aliases: string[]): boolean =>
    [name, ...aliases].some((key) => new RegExp(`(^|,)${key}(=|,|$)`).test(text));
  const { kind, ...fields } = mount;
  const all: Readonly<Record<string, unknown>> = fields;
  const pick = (name: string, key = name): Record<string, unknown> => (given(name) ? { [name]: all[key] } : {});
  const readonly = kind === 'secret' || kind === 'ssh' || (('readonly' in mount && mount.readonly) ?? false);
  return {
    type: kind,
    ...withoutEmpty({ readOnly: readonly }),
    ...withoutEmpty({
      ...pick('from'),
      ...pick('source'),
      ...pick('target'),
      ...pick('id'),
      ...pick('sharing'),
      ...pick('required'),
    }),
    ...withoutEmpty({ ...pick('mode'), ...pick('uid'), ...pick('gid'), ...pick('env'), ...pick('size', 'sizeBytes') }),
  };
}

function healthcheckFacts(instruction: HealthcheckInstruction): Record<string, unknown> {
  const { form, intervalNs, timeoutNs, startPeriodNs, startIntervalNs, retries } = instruction;
  const times = withoutEmpty({ intervalNs, timeoutNs, startPeriodNs, startIntervalNs, retries });
  if (form === undefined) return { ...times, test: ['NONE'] };
  return { ...times, test: form.kind === 'exec' ? ['CMD', ...form.args] : ['CMD-SHELL', form.script] };
}

function checkCommands(testCase: InstructionsCase, commands: unknown): void {
  expect(parseWithMounts(testCase.dockerfile!).map(toFacts)).toEqual(commands);
}

function checkParse(testCase: InstructionsCase): void {
  if (testCase.expectError !== undefined) checkError(testCase);
  else checkCommands(testCase, testCase.expect!.commands);
}

function checkNoCrash(testCase: InstructionsCase): void {
  const { error, commands } = testCase.observed!;
  if (error === undefined) checkCommands(testCase, commands);
  else checkError({ ...testCase, expectError: String(error) });
}

function checkFlags({ flags, args, expect: wanted, error }: InstructionsCase): void {
  const kinds = { string: 'value', bool: 'boolean', strings: 'values' } as const;
  const table = Object.fromEntries(flags.map(({ name, type }) => [name, kinds[type]]));
  const line = ['TEST', ...args.map((arg) => arg.replaceAll(' ', '\\ ')), 'rest'].join(' ');
  const source = createSourceText('Dockerfile', line);
  const statement: Statement = {
    source,
    line: { text: line, pieces: [{ at: 0, offset: 0 }] },
    escape: '\\',
    start: 0,
    end: line.length,
    ...splitStatement(line, '\\'),
    heredocs: [],
    docComment: [],
  };
  if (error) {
    expect(() => parseFlags(statement, table)).toThrow(expect.objectContaining({ code: 'DOCKERFILE_SYNTAX' }));
    return;
  }
  const given = parseFlags(statement, table) as Readonly<Record<string, unknown>>;
  const values = Object.fromEntries(flags.map(({ name, default: initial }) => [name, given[name] ?? initial]));
  const { values: wantedValues = {}, used } = wanted as { values?: Record<string, unknown>; used?: readonly string[] };
  expect(values).toMatchObject(wantedValues);
  if (used !== undefined) expect(Object.keys(given).sort()).toEqual([...used].sort());
}

function checkDevice({ input, expect: wanted, expectError }: InstructionsCase): void {
  if (expectError === undefined) expect(parseDevice(input)).toEqual(wanted);
  else expect(() => parseDevice(input)).toThrow(expect.objectContaining({ code: 'DOCKERFILE_INVALID' }));
}

/** `ARG foo` is described by the comment line that begins with `foo`. */
function checkDocComments({ dockerfile, expect: wanted }: InstructionsCase): void {
  const { globalArgs, stages } = parse(dockerfile!);
  const describe = (name: string, lines: readonly string[] | undefined): string =>
    lines?.find((line) => line.startsWith(`${name} `))?.slice(name.length + 1) ?? '';
  const argsOf = (instructions: readonly Instruction[]) =>
    instructions.flatMap((instruction) =>
      instruction.kind === 'arg'
        ? instruction.args.map(({ name }) => ({ key: name, docComment: describe(name, instruction.docComment) }))
        : [],
    );
  expect({
    stages: stages.map(({ name, from, instructions }) => ({
      docComment: describe(name ?? '', from.docComment),
      args: argsOf(instructions),
    })),
    globalArgs: argsOf(globalArgs),
  }).toEqual(wanted);
}

const CHECKS: Readonly<Record<string, (testCase: InstructionsCase) => void>> = {
  error: checkError,
  'node-error': checkError,
  parse: checkParse,
  'no-crash': checkNoCrash,
  flags: checkFlags,
  device: checkDevice,
  copy: (testCase) => {
    const [instruction] = parse(testCase.dockerfile!).stages[0]!.instructions;
    expect(copyFacts(instruction as CopyInstruction)).toEqual(testCase.expect);
  },
  run: ({ dockerfile, expect: wanted }) => {
    const instruction = parse(dockerfile!).stages[0]!.instructions[0] as RunInstruction;
    const { cmdline, shellForm } = formFacts(instruction);
    const files = instruction.heredocs.map(({ name, rawBody, chomp }) => ({ name, data: rawBody, chomp }));
    expect({ shellForm, command: cmdline, files }).toEqual(wanted);
  },
  'json-args': ({ args, json, expect: wanted }) => {
    const text = json ? JSON.stringify(args) : args.join(' ');
    const instruction = parse(`CMD ${text}`).stages[0]!.instructions[0] as Extract<Instruction, { kind: 'cmd' }>;
    expect(formFacts(instruction).cmdline).toEqual(wanted);
  },
  duration: (testCase) => {
    if (testCase.expectError === undefined) expect(() => parse(testCase.dockerfile!)).not.toThrow();
    else checkError(testCase);
  },
  healthcheck: ({ dockerfile, expect: wanted }) => {
    const [instruction] = parse(dockerfile!).stages[0]!.instructions;
    expect(healthcheckFacts(instruction as HealthcheckInstruction)).toEqual(wanted);
  },
  'doc-comments': checkDocComments,
  'flags-used': ({ dockerfile, expect: wanted }) => {
    const [instruction] = parse(dockerfile!).stages[0]!.instructions;
    expect(runFacts(instruction as RunInstruction)).toMatchObject(wanted!);
  },
};

describeDataSet<InstructionsCase>({
  name: 'instructions',
  counts: {
    error: 19,
    'node-error': 4,
    parse: 188,
    'no-crash': 90,
    flags: 14,
    device: 8,
    copy: 8,
    run: 6,
    'json-args': 4,
    duration: 3,
    healthcheck: 1,
    'doc-comments': 1,
    'flags-used': 1,
  },
  check: (testCase) => CHECKS[testCase.kind]!(testCase),
});
