import { isBuildError } from '../../core/index.ts';
import { isSpace } from '../characters.ts';
import { parseFlags } from '../flags.ts';
import type { Word } from '../logical-line.ts';
import { parseDuration } from '../parse-duration.ts';
import { complainAbout, complainAt, type Statement, toInstructionBase } from '../statement.ts';
import type { HealthcheckInstruction } from '../types.ts';
import { trimmedWord } from '../words.ts';
import { parseCommandForm } from './command-form.ts';

const FLAGS = {
  interval: 'value',
  timeout: 'value',
  'start-period': 'value',
  'start-interval': 'value',
  retries: 'value',
} as const;

const MILLISECOND_NS = 1_000_000;
const MAX_RETRIES = 2 ** 31 - 1;

export function parseHealthcheck(statement: Statement): HealthcheckInstruction {
  const { type, command } = splitType(statement);
  const flags = parseFlags(statement, FLAGS);
  if (type.text.toUpperCase() === 'NONE') return parseNone(statement, { type, command });
  const { form, words } = parseCommandForm(statement, command);
  if (words.length === 0) {
    throw complainAbout(statement, {
      message: 'HEALTHCHECK CMD has no command.',
      hint: 'Write HEALTHCHECK CMD <command>, or HEALTHCHECK NONE.',
    });
  }
  return {
    ...toInstructionBase(statement, [type, ...words]),
    kind: 'healthcheck',
    form,
    ...durationField(statement, { flag: 'interval', value: flags.interval, field: 'intervalNs' }),
    ...durationField(statement, { flag: 'timeout', value: flags.timeout, field: 'timeoutNs' }),
    ...durationField(statement, { flag: 'start-period', value: flags['start-period'], field: 'startPeriodNs' }),
    ...durationField(statement, { flag: 'start-interval', value: flags['start-interval'], field: 'startIntervalNs' }),
    ...retriesField(statement, flags.retries),
  };
}

function splitType(statement: Statement): { readonly type: Word; readonly command: Word } {
  const { text } = statement.line;
  const { start, end } = statement.rest;
  let typeEnd = start;
  while (typeEnd < end && !isSpace(text.charCodeAt(typeEnd))) typeEnd++;
  const type = { text: text.slice(start, typeEnd), start, end: typeEnd };
  if (type.text === '') {
    throw complainAbout(statement, {
      message: 'HEALTHCHECK names no command.',
      hint: 'Write HEALTHCHECK CMD <command>, or HEALTHCHECK NONE.',
    });
  }
  if (!['CMD', 'NONE'].includes(type.text.toUpperCase())) {
    throw complainAt(statement, type, {
      message: `HEALTHCHECK knows CMD and NONE, not "${type.text}".`,
      hint: 'Write HEALTHCHECK [flags] CMD <command>.',
    });
  }
  return { type, command: trimmedWord(text, typeEnd, end) };
}

function parseNone(
  statement: Statement,
  { type, command }: { readonly type: Word; readonly command: Word },
): HealthcheckInstruction {
  if (command.text !== '') {
    throw complainAt(statement, command, {
      message: 'HEALTHCHECK NONE takes no arguments.',
      hint: 'Remove them, or write CMD in place of NONE.',
    });
  }
  return { ...toInstructionBase(statement, [type]), kind: 'healthcheck' };
}

type DurationField = 'intervalNs' | 'timeoutNs' | 'startPeriodNs' | 'startIntervalNs';

function durationField(
  statement: Statement,
  { flag, value, field }: { readonly flag: string; readonly value: string | undefined; readonly field: DurationField },
): Partial<Record<DurationField, number>> {
  if (value === undefined || value === '') return {};
  const word = statement.flags.find(({ text }) => text.startsWith(`--${flag}=`))!;
  const durationNs = durationOf(statement, { word, value });
  if (durationNs !== 0 && durationNs < MILLISECOND_NS) {
    throw complainAt(statement, word, {
      code: 'DOCKERFILE_INVALID',
      message: `--${flag} must be at least 1ms, or 0 to inherit, not ${value}.`,
      hint: `Write a duration such as --${flag}=30s.`,
    });
  }
  return { [field]: durationNs };
}

function durationOf(statement: Statement, { word, value }: { readonly word: Word; readonly value: string }): number {
  try {
    return parseDuration(value);
  } catch (error) {
    if (!isBuildError(error)) throw error;
    throw complainAt(statement, word, {
      code: 'DOCKERFILE_INVALID',
      message: error.message,
      hint: error.hint,
      cause: error,
    });
  }
}

function retriesField(statement: Statement, value: string | undefined): { readonly retries?: number } {
  if (value === undefined || value === '') return {};
  const retries = /^[+-]?\d+$/.test(value) ? Number(value) : Number.NaN;
  if (retries >= 0 && retries <= MAX_RETRIES) return { retries };
  throw complainAt(statement, statement.flags.find(({ text }) => text.startsWith('--retries='))!, {
    code: 'DOCKERFILE_INVALID',
    message: `--retries takes a whole number from 0 on, not "${value}".`,
    hint: '0 means: inherit the number of the base image.',
  });
}
