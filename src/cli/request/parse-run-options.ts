import { isIP } from 'node:net';
import type { BuildRequest } from '../../backends/index.ts';
import { BuildError } from '../../core/index.ts';
import { usage } from '../options/values.ts';

type Host = NonNullable<BuildRequest['addHosts']>[number];
type Ulimit = NonNullable<BuildRequest['ulimits']>[number];

/**
 * Reads `--add-host`: `HOST:IP` or `HOST=IP`; an IPv6 address may stand in brackets.
 *
 * @throws BuildError `USAGE`; `UNSUPPORTED` for `host-gateway`.
 */
export function parseHost(text: string): Host {
  const separator = text.search(/[:=]/);
  const name = text.slice(0, Math.max(0, separator));
  const address = text.slice(separator + 1).replace(/^\[(.*)\]$/, '$1');
  if (name === '' || address === '') throw usage(`--add-host takes HOST:IP, not "${text}".`);
  if (address === 'host-gateway') {
    throw new BuildError('UNSUPPORTED', '--add-host cannot use host-gateway: there is no Docker bridge here.', {
      hint: 'Write the address of this machine, or use --network=host.',
    });
  }
  if (isIP(address) === 0) throw usage(`--add-host takes HOST:IP, but "${address}" is not an IP address.`);
  return { name, address };
}

/** Names of setrlimit(2) in docker's spelling. */
const ULIMITS = [
  'core',
  'cpu',
  'data',
  'fsize',
  'locks',
  'memlock',
  'msgqueue',
  'nice',
  'nofile',
  'nproc',
  'rss',
  'rtprio',
  'rttime',
  'sigpending',
  'stack',
];

/**
 * Reads `--ulimit`: `NAME=SOFT[:HARD]`; -1 and `unlimited` mean no limit.
 *
 * @throws BuildError `USAGE`
 */
export function parseUlimit(text: string): Ulimit {
  const match = /^([a-z]+)=(-1|\d+|unlimited)(?::(-1|\d+|unlimited))?$/.exec(text);
  if (match === null) throw usage(`--ulimit takes NAME=SOFT[:HARD], not "${text}".`, 'For example nofile=1024:4096.');
  const [, name, softText, hardText] = match;
  if (!ULIMITS.includes(name!)) throw usage(`There is no limit "${name}".`, `It is one of: ${ULIMITS.join(', ')}.`);
  const soft = limitOf(softText!);
  const hard = hardText === undefined ? soft : limitOf(hardText);
  if (hard !== -1 && (soft === -1 || soft > hard)) {
    throw usage(`--ulimit ${text}: the soft limit is above the hard limit.`);
  }
  return { name: name!, soft, hard };
}

function limitOf(text: string): number {
  return text === 'unlimited' ? -1 : Number(text);
}

/** What `--allow` may grant; a device also by its name. */
const RIGHTS = ['network.host', 'security.insecure', 'device'];

/**
 * Reads `--allow`: `network.host`, `security.insecure`, `device`, `device=NAME`; several with commas between them.
 *
 * @throws BuildError `USAGE`
 */
export function parseRights(text: string): readonly string[] {
  const rights = text.split(',').map((right) => right.trim());
  const unknown = rights.find((right) => !RIGHTS.includes(right) && !/^device=./.test(right));
  if (unknown === undefined) return rights;
  throw usage(`There is no right "${unknown}" to --allow.`, `The rights are ${RIGHTS.join(', ')} and device=NAME.`);
}

/**
 * Reads `--network`.
 *
 * @throws BuildError `UNSUPPORTED` for named networks.
 */
export function parseNetwork(text: string): NonNullable<BuildRequest['network']> {
  if (text === 'default' || text === 'none' || text === 'host') return text;
  throw new BuildError('UNSUPPORTED', `--network=${text} is not supported: there are no named networks.`, {
    hint: 'It is one of: default, none, host.',
  });
}

/** Reads `--pull`, docker's truth values included. */
export function parsePull(text: string): NonNullable<BuildRequest['pull']> {
  if (text === 'always' || text === 'true') return 'always';
  return text === 'never' || text === 'newer' ? text : 'missing';
}

/** The platforms of `--platform` texts, which may hold commas, each once, with commas between them; undefined for none. */
export function parsePlatforms(texts: readonly string[]): string | undefined {
  const platforms = new Set(texts.flatMap((text) => text.split(',')).map((text) => text.trim()));
  return [...platforms].filter((text) => text !== '').join(',') || undefined;
}
