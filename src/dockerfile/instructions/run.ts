import { isBuildError, nearestWord } from '../../core/index.ts';
import { parseFlags } from '../flags.ts';
import { parseDevice } from '../parse-device.ts';
import { complainAt, type Statement, toInstructionBase } from '../statement.ts';
import type { RunInstruction } from '../types.ts';
import { parseCommandForm } from './command-form.ts';

const NETWORKS = ['default', 'none', 'host'] as const;
const SECURITIES = ['sandbox', 'insecure'] as const;
const VARIABLE_FROM = /(?:^|,)\s*"?from=[^,]*\$[^,]/i;

export function parseRun(statement: Statement): RunInstruction {
  const flags = parseFlags(statement, { mount: 'values', network: 'value', security: 'value', device: 'values' });
  const network = parseChoice(statement, { flag: 'network', value: flags.network, choices: NETWORKS });
  const security = parseChoice(statement, { flag: 'security', value: flags.security, choices: SECURITIES });
  checkMounts(statement);
  for (const device of flags.device) checkDevice(statement, device);
  const { form, words } = parseCommandForm(statement, statement.rest);
  return {
    ...toInstructionBase(statement, words),
    kind: 'run',
    form,
    heredocs: statement.heredocs,
    mounts: flags.mount,
    ...(network === undefined ? {} : { network }),
    ...(security === undefined ? {} : { security }),
    devices: flags.device,
  };
}

function parseChoice<const C extends string>(
  statement: Statement,
  {
    flag,
    value,
    choices,
  }: { readonly flag: string; readonly value: string | undefined; readonly choices: readonly C[] },
): C | undefined {
  if (value === undefined) return undefined;
  const choice = choices.find((known) => known === value);
  if (choice !== undefined) return choice;
  const nearest = nearestWord(value, choices);
  throw complainAt(statement, statement.flags.find(({ text }) => text.startsWith(`--${flag}=`))!, {
    code: 'DOCKERFILE_INVALID',
    message: `RUN has no ${flag} mode "${value}".`,
    hint: nearest === undefined ? `Choose one of ${choices.join(', ')}.` : `The nearest mode is ${nearest}.`,
  });
}

/** All other options of a mount are read after expansion; a variable in `from` could never be resolved then. */
function checkMounts(statement: Statement): void {
  const wrong = statement.flags.find(({ text }) => text.startsWith('--mount=') && VARIABLE_FROM.test(text.slice(8)));
  if (wrong === undefined) return;
  throw complainAt(statement, wrong, {
    code: 'DOCKERFILE_INVALID',
    message: 'A mount cannot take a variable as "from".',
    hint: 'Give the image a stage of its own (FROM $IMAGE AS source, with ARG before the first FROM) and mount from that.',
  });
}

function checkDevice(statement: Statement, device: string): void {
  try {
    parseDevice(device);
  } catch (error) {
    if (!isBuildError(error)) throw error;
    throw complainAt(statement, statement.flags.find(({ text }) => text === `--device=${device}`)!, {
      code: 'DOCKERFILE_INVALID',
      message: error.message,
      hint: error.hint,
      cause: error,
    });
  }
}
