import { BuildError, nearestWord } from '../core/index.ts';
import { parseCsvFields } from './csv-fields.ts';
import { parseGoBoolean } from './parse-boolean.ts';
import { parseSize } from './parse-size.ts';
import type { Mount } from './types.ts';

type MountKind = Mount['kind'];
type Sharing = Extract<Mount, { kind: 'cache' }>['sharing'];

const KINDS: readonly MountKind[] = ['bind', 'cache', 'tmpfs', 'secret', 'ssh'];
const SHARINGS: readonly Sharing[] = ['shared', 'private', 'locked'];
const MAX_UINT32 = 2 ** 32 - 1;

/** Options as given, before the defaults of the mount's type. */
interface MountOptions {
  kind: MountKind;
  from?: string;
  source?: string;
  target?: string;
  readonly?: boolean;
  required?: boolean;
  sizeBytes?: number;
  id?: string;
  sharing?: Sharing;
  mode?: number;
  uid?: number;
  gid?: number;
  env?: string;
}

export interface ParseMountOptions {
  /** Expands the value of one option; without it values are taken as they are. Never called for `from`'s sake alone. */
  readonly expand?: (value: string) => string;
}

/**
 * Reads the value of `RUN --mount`: comma-separated options, quoted as CSV. The text is split first and the values are
 * expanded after, so that a variable may hold a comma. Defaults are those of BuildKit: `type=bind`, read-only for bind,
 * secret and ssh; cache 0755, secret 0400, ssh 0600; owner 0:0.
 *
 * @throws BuildError `DOCKERFILE_INVALID`, without location.
 */
export function parseMount(text: string, { expand = (value) => value }: ParseMountOptions = {}): Mount {
  const options: MountOptions = { kind: 'bind' };
  for (const field of parseCsvFields(text)) readField(options, field, expand);
  checkOptions(options);
  return withDefaults(options, text);
}

function readField(options: MountOptions, field: string, expand: (value: string) => string): void {
  const equals = field.indexOf('=');
  const key = (equals < 0 ? field : field.slice(0, equals)).toLowerCase();
  if (equals < 0) {
    readBareField(options, { key, field });
    return;
  }
  const reader = Object.hasOwn(READERS, key) ? READERS[key] : undefined;
  if (reader === undefined) throw unknownOption(key, field);
  reader(options, { key, value: expand(field.slice(equals + 1)) });
}

function readBareField(options: MountOptions, { key, field }: { readonly key: string; readonly field: string }): void {
  if (key === 'readonly' || key === 'ro') options.readonly = true;
  else if (key === 'readwrite' || key === 'rw') options.readonly = false;
  else if (key === 'required') READERS.required!(options, { key, value: 'true' });
  else if (Object.hasOwn(READERS, key))
    throw invalid(`The mount option ${key} needs a value.`, `Write ${key}=<value>.`);
  else throw unknownOption(key, field);
}

interface Option {
  readonly key: string;
  readonly value: string;
}

type OptionReader = (options: MountOptions, option: Option) => void;

const readSource: OptionReader = (options, { value }) => {
  options.source = value;
};
const readTarget: OptionReader = (options, { value }) => {
  options.target = value;
};
const readReadonly: OptionReader = (options, { key, value }) => {
  options.readonly = parseGoBoolean(key, value);
};
const readReadwrite: OptionReader = (options, { key, value }) => {
  options.readonly = !parseGoBoolean(key, value);
};

const READERS: Readonly<Record<string, OptionReader>> = {
  type: (options, { value }) => {
    options.kind = parseChoice('type', value.toLowerCase(), KINDS);
  },
  from: (options, { value }) => {
    options.from = value;
  },
  source: readSource,
  src: readSource,
  target: readTarget,
  dst: readTarget,
  destination: readTarget,
  readonly: readReadonly,
  ro: readReadonly,
  readwrite: readReadwrite,
  rw: readReadwrite,
  required: (options, { key, value }) => {
    requireKind(options, { key, kinds: ['secret', 'ssh'] });
    options.required = parseGoBoolean(key, value);
  },
  size: (options, { key, value }) => {
    requireKind(options, { key, kinds: ['tmpfs'] });
    options.sizeBytes = parseSize(value);
  },
  id: (options, { value }) => {
    options.id = value;
  },
  sharing: (options, { value }) => {
    options.sharing = parseChoice('sharing', value.toLowerCase(), SHARINGS);
  },
  mode: (options, { key, value }) => {
    options.mode = parseNumber(key, value, 8);
  },
  uid: (options, { key, value }) => {
    options.uid = parseNumber(key, value, 10);
  },
  gid: (options, { key, value }) => {
    options.gid = parseNumber(key, value, 10);
  },
  env: (options, { value }) => {
    options.env = value;
  },
};

function parseChoice<C extends string>(key: string, value: string, choices: readonly C[]): C {
  const choice = choices.find((known) => known === value);
  if (choice !== undefined) return choice;
  const nearest = nearestWord(value, choices);
  throw invalid(
    `A mount has no ${key} "${value}".`,
    nearest === undefined ? `Choose one of ${choices.join(', ')}.` : `The nearest ${key} is ${nearest}.`,
  );
}

function parseNumber(key: string, value: string, radix: 8 | 10): number {
  const digits = radix === 8 ? /^[0-7]+$/ : /^\d+$/;
  const number = digits.test(value) ? Number.parseInt(value, radix) : Number.NaN;
  if (number <= MAX_UINT32) return number;
  throw invalid(
    `The mount option ${key} is ${radix === 8 ? 'an octal number' : 'a number'}, not "${value}".`,
    radix === 8 ? `Write ${key}=0755, for example.` : `Write ${key}=1000, for example; names are not looked up here.`,
  );
}

function requireKind(
  options: MountOptions,
  { key, kinds }: { readonly key: string; readonly kinds: readonly MountKind[] },
) {
  if (kinds.includes(options.kind)) return;
  throw invalid(
    `A ${options.kind} mount has no option ${key}.`,
    `${key} belongs to type=${kinds.join(' and type=')}; write the type before it.`,
  );
}

function unknownOption(key: string, field: string): BuildError {
  const nearest = nearestWord(key, Object.keys(READERS));
  return invalid(
    `A mount has no option "${field}".`,
    nearest === undefined ? `The options are ${Object.keys(READERS).join(', ')}.` : `The nearest option is ${nearest}.`,
  );
}

function checkOptions({ kind, ...options }: MountOptions): void {
  for (const key of ['mode', 'uid', 'gid'] as const) {
    if (options[key] !== undefined && (kind === 'bind' || kind === 'tmpfs')) {
      throw invalid(`A ${kind} mount has no option ${key}.`, `${key} belongs to type=cache, type=secret and type=ssh.`);
    }
  }
  if (kind === 'secret') checkSecret(options);
  if (kind === 'ssh') checkSsh(options);
  if (options.sharing !== undefined && kind !== 'cache') {
    throw invalid(`A ${kind} mount has no option sharing.`, 'sharing belongs to type=cache.');
  }
  if (options.target && cleanTarget(options.target) === '/') {
    throw invalid('A mount cannot take the place of the whole file system (target=/).', 'Name a directory below it.');
  }
}

function checkSsh({ source }: Omit<MountOptions, 'kind'>): void {
  if (source)
    throw invalid('An ssh mount has no option source.', 'Write id=<name>, the id that --ssh of the build uses.');
}

function checkSecret({ from, source, target, id }: Omit<MountOptions, 'kind'>): void {
  if (from !== undefined && from !== '') {
    throw invalid('A secret mount has no option from.', 'Its content is given with the build: --secret id=…,src=….');
  }
  if (!source && !target && !id) {
    throw invalid('A secret mount names no secret.', 'Write id=<name>, the id that --secret of the build uses.');
  }
  if (source && id) {
    throw invalid('A secret mount has both id and source, which mean the same.', 'Keep id.');
  }
}

function withDefaults(options: MountOptions, text: string): Mount {
  const { kind, from, source = '' } = options;
  const origin = from === undefined || from === '' ? {} : { from };
  const owner = { uid: options.uid ?? 0, gid: options.gid ?? 0 };
  switch (kind) {
    case 'bind':
      return { kind, target: targetOf(options, text), source, ...origin, readonly: options.readonly ?? true };
    case 'cache': {
      const target = targetOf(options, text);
      return {
        kind,
        target,
        id: options.id || cleanTarget(target),
        sharing: options.sharing ?? 'shared',
        source,
        ...origin,
        readonly: options.readonly ?? false,
        mode: options.mode ?? 0o755,
        ...owner,
      };
    }
    case 'tmpfs': {
      const size = options.sizeBytes ? { sizeBytes: options.sizeBytes } : {};
      return { kind, target: targetOf(options, text), ...size };
    }
    case 'secret':
      return secretMount(options, owner);
    case 'ssh':
      return {
        kind,
        id: options.id || 'default',
        ...(options.target ? { target: options.target } : {}),
        required: options.required ?? false,
        mode: options.mode ?? 0o600,
        ...owner,
      };
  }
}

function secretMount(options: MountOptions, owner: { readonly uid: number; readonly gid: number }): Mount {
  const id = options.id || options.source || baseName(options.target ?? '');
  const target = options.target || (options.env === undefined ? `/run/secrets/${baseName(id)}` : undefined);
  return {
    kind: 'secret',
    id,
    ...(target === undefined ? {} : { target }),
    ...(options.env === undefined ? {} : { env: options.env || id }),
    required: options.required ?? false,
    mode: options.mode ?? 0o400,
    ...owner,
  };
}

function targetOf({ kind, target }: MountOptions, text: string): string {
  if (target !== undefined && target !== '') return target;
  throw invalid(`The ${kind} mount "${text}" has no target.`, 'Add target=<directory>.');
}

/** As Go's `path.Clean`. */
function cleanTarget(target: string): string {
  const parts: string[] = [];
  for (const part of target.split('/')) {
    if (part === '' || part === '.') continue;
    if (part === '..' && parts.length > 0 && parts.at(-1) !== '..') parts.pop();
    else if (part !== '..' || !target.startsWith('/')) parts.push(part);
  }
  return (target.startsWith('/') ? '/' : '') + parts.join('/') || '.';
}

function baseName(path: string): string {
  const trimmed = path.replace(/\/+$/, '');
  return trimmed.slice(trimmed.lastIndexOf('/') + 1);
}

function invalid(message: string, hint: string): BuildError {
  return new BuildError('DOCKERFILE_INVALID', message, { hint });
}
