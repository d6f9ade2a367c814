import { isIP } from 'node:net';
import type { BuildRequest } from '../../backends/index.ts';
import { BuildError } from '../../core/index.ts';
import { parseSize } from '../../dockerfile/index.ts';

/** An error about one field of a build request, by its name in the protocol. */
export function fieldError(field: string, why: string, hint?: string): BuildError {
  return new BuildError('USAGE', `The field ${field} of the build request ${why}.`, { hint });
}

/** An error about a field that is valid, but cannot be honoured. */
export function unsupportedField(field: string, why: string, hint?: string): BuildError {
  return new BuildError('UNSUPPORTED', `The field ${field} of the build request cannot be honoured: ${why}.`, { hint });
}

/** `key=value` texts; a missing value is empty, as docker has it for labels. @throws BuildError `USAGE` */
export function parsePairs(texts: readonly string[], field: string): Readonly<Record<string, string>> {
  return Object.fromEntries(
    texts.map((text) => {
      const at = text.indexOf('=');
      const key = at < 0 ? text : text.slice(0, at);
      if (key === '') throw fieldError(field, `takes key=value, not "${text}"`);
      return [key, at < 0 ? '' : text.slice(at + 1)];
    }),
  );
}

/** `NAME=VALUE`; a name alone would be a variable of the daemon's host. @throws BuildError `USAGE` */
export function parseEnvs(texts: readonly string[]): ReadonlyArray<readonly [name: string, value: string]> {
  return texts.map((text) => {
    const match = /^([^=\s]+)=(.*)$/s.exec(text);
    if (match === null) throw fieldError('envs', `takes NAME=VALUE, not "${text}"`);
    return [match[1]!, match[2]!];
  });
}

/** `name:address`; an IPv6 address may stand in brackets. @throws BuildError `USAGE`, `UNSUPPORTED` */
export function parseAddHosts(texts: readonly string[]): NonNullable<BuildRequest['addHosts']> {
  return texts.map((text) => {
    const at = text.search(/[:=]/);
    const name = text.slice(0, Math.max(0, at));
    const address = text.slice(at + 1).replace(/^\[(.*)\]$/, '$1');
    if (name === '') throw fieldError('add_hosts', `takes name:address, not "${text}"`);
    if (address === 'host-gateway') throw unsupportedField('add_hosts', 'there is no host-gateway here');
    if (isIP(address) === 0) throw fieldError('add_hosts', `has "${address}", which is not an IP address`);
    return { name, address };
  });
}

/** `name=soft[:hard]`; -1 and `unlimited` mean no limit. @throws BuildError `USAGE` */
export function parseUlimits(texts: readonly string[]): NonNullable<BuildRequest['ulimits']> {
  return texts.map((text) => {
    const match = /^([a-z]+)=(-1|\d+|unlimited)(?::(-1|\d+|unlimited))?$/.exec(text);
    if (match === null) throw fieldError('ulimits', `takes name=soft[:hard], not "${text}"`);
    const [, name = '', softText = '', hardText] = match;
    const soft = limitOf(softText);
    const hard = hardText === undefined ? soft : limitOf(hardText);
    if (hard !== -1 && (soft === -1 || soft > hard)) {
      throw fieldError('ulimits', `has "${text}", whose soft limit is above its hard limit`);
    }
    return { name, soft, hard };
  });
}

function limitOf(text: string): number {
  return text === 'unlimited' ? -1 : Number(text);
}

/** @throws BuildError `USAGE` */
export function parseShmSize(text: string): number | undefined {
  if (text === '') return undefined;
  try {
    return parseSize(text);
  } catch (error) {
    throw fieldError('shm_size', `takes a size such as 64m: ${(error as Error).message}`);
  }
}

const PULL_POLICIES: Readonly<Record<string, NonNullable<BuildRequest['pull']>>> = {
  '': 'missing',
  missing: 'missing',
  ifmissing: 'missing',
  always: 'always',
  never: 'never',
  ifnewer: 'newer',
  newer: 'newer',
};

/** @throws BuildError `USAGE` */
export function parsePullPolicy(text: string): NonNullable<BuildRequest['pull']> {
  const policy = PULL_POLICIES[text.toLowerCase()];
  if (policy !== undefined) return policy;
  throw fieldError('pull_policy', `has "${text}"`, 'It is one of: always, missing, never, ifnewer.');
}

/** @throws BuildError `USAGE` */
export function parseFormat(text: string): 'oci' | 'docker' {
  if (text === '' || text === 'oci') return 'oci';
  if (text === 'docker') return 'docker';
  throw fieldError('format', `has "${text}"`, 'It is oci or docker.');
}

/** @throws BuildError `USAGE` */
export function parseNetwork(text: string): NonNullable<BuildRequest['network']> | undefined {
  if (text === '') return undefined;
  if (text === 'default' || text === 'none' || text === 'host') return text;
  throw fieldError('extension.network', `has "${text}"`, 'It is one of: default, none, host.');
}

/** Seconds; undefined when the field is unset. @throws BuildError `USAGE` */
export function parseEpoch(seconds: bigint, isSet: boolean): number | undefined {
  if (seconds === 0n && !isSet) return undefined;
  if (seconds < 0n || seconds > 999_999_999_999n) throw fieldError('source_date_epoch', `has ${seconds}`);
  return Number(seconds);
}

/** The fields of one `key=value,key=value` text. @throws BuildError `USAGE` */
export function parseCommaFields(text: string, field: string): ReadonlyMap<string, string> {
  const fields = new Map<string, string>();
  for (const part of text.split(',')) {
    const at = part.indexOf('=');
    const key = (at < 0 ? part : part.slice(0, at)).trim().toLowerCase();
    if (key === '' || at < 0) throw fieldError(field, `takes key=value,…, not "${text}"`);
    fields.set(key, part.slice(at + 1));
  }
  return fields;
}
