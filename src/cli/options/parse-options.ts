import { BuildError } from '../../core/index.ts';
import { nearestName } from './nearest-name.ts';
import { HELP_OPTION, type OptionSpec, type OptionTable, type OptionValues } from './option-table.ts';

/** A command line, read. `wantsHelp`: `--help` was met, and nothing after it was looked at. */
export interface ParsedOptions<T extends OptionTable> {
  readonly values: OptionValues<T>;
  readonly positionals: readonly string[];
  /** Long names of the options that were given. */
  readonly given: ReadonlySet<string>;
  readonly wantsHelp: boolean;
}

type Value = string | boolean | number | readonly string[] | undefined;

const TRUE = new Set(['1', 't', 'T', 'true', 'TRUE', 'True']);
const FALSE = new Set(['0', 'f', 'F', 'false', 'FALSE', 'False']);

/**
 * Reads arguments as docker does (the rules of the Go library pflag): `--name value`, `--name=value`, `-t value`,
 * `-tvalue`, `-t=value`, bundled booleans `-qt value`, options after arguments, `--` ends them, `-` is an argument.
 *
 * @throws BuildError `USAGE` for an unknown option, a missing or a wrong value; `UNSUPPORTED` for a refused option.
 */
export function parseOptions<T extends OptionTable>(table: T, args: readonly string[]): ParsedOptions<T> {
  const reader = createReader(table);
  for (let index = 0; index < args.length && !reader.wantsHelp(); index++) {
    const word = args[index]!;
    if (word === '--') {
      reader.positionals.push(...args.slice(index + 1));
      break;
    }
    if (word === '-' || !word.startsWith('-')) reader.positionals.push(word);
    else if (word.startsWith('--') ? reader.long(word, args[index + 1]) : reader.short(word, args[index + 1])) index++;
  }
  return {
    values: reader.values() as OptionValues<T>,
    positionals: reader.positionals,
    given: new Set(reader.given.keys()),
    wantsHelp: reader.wantsHelp(),
  };
}

function createReader(table: OptionTable) {
  const known: OptionTable = { help: HELP_OPTION, ...table };
  const byLetter = new Map(
    Object.entries(known).flatMap(([name, spec]) => (spec.short === undefined ? [] : [[spec.short, name] as const])),
  );
  const given = new Map<string, Value>();
  const positionals: string[] = [];

  const set = (name: string, text: string, shown: string): void => {
    const spec = known[name]!;
    const value = readValue(spec, text, shown);
    given.set(name, spec.kind === 'list' ? [...((given.get(name) as string[] | undefined) ?? []), text] : value);
  };

  /** Both return true when they took the next word as the value. */
  const long = (word: string, next: string | undefined): boolean => {
    const equals = word.indexOf('=');
    const name = word.slice(2, equals < 0 ? undefined : equals);
    if (name === '' || name.startsWith('-')) throw usage(`"${word}" is not an option.`);
    const spec = Object.hasOwn(known, name) ? known[name] : undefined;
    if (spec === undefined) throw unknownOption(`--${name}`, name, known);
    if (equals >= 0) set(name, word.slice(equals + 1), `--${name}`);
    else if (bareValue(spec) !== undefined) set(name, bareValue(spec)!, `--${name}`);
    else {
      set(name, requireNext(next, `--${name}`, spec), `--${name}`);
      return true;
    }
    return false;
  };

  const short = (word: string, next: string | undefined): boolean => {
    for (let at = 1; at < word.length; at++) {
      const letter = word[at]!;
      const name = byLetter.get(letter);
      if (name === undefined) throw unknownLetter(letter, word, known);
      const spec = known[name]!;
      const shown = `-${letter}`;
      const rest = word.slice(at + 1);
      if (rest.startsWith('=')) {
        set(name, rest.slice(1), shown);
        return false;
      }
      if (bareValue(spec) !== undefined) set(name, bareValue(spec)!, shown);
      else if (rest !== '') {
        set(name, rest, shown);
        return false;
      } else {
        set(name, requireNext(next, shown, spec), shown);
        return true;
      }
    }
    return false;
  };

  return {
    long,
    short,
    given,
    positionals,
    wantsHelp: () => given.get('help') === true,
    values: () =>
      Object.fromEntries(Object.entries(table).map(([name, spec]) => [name, given.get(name) ?? unset(spec)])),
  };
}

function unset(spec: OptionSpec): Value {
  if (spec.kind === 'boolean') return false;
  return spec.kind === 'list' ? [] : undefined;
}

/** The value of an option that stands alone; undefined when it needs one. */
function bareValue(spec: OptionSpec): string | undefined {
  if (spec.kind === 'boolean') return 'true';
  if (spec.kind === 'refused') return spec.takesValue ? undefined : 'true';
  return spec.kind === 'text' ? spec.bare : undefined;
}

function readValue(spec: OptionSpec, text: string, shown: string): Value {
  switch (spec.kind) {
    case 'boolean':
      if (TRUE.has(text)) return true;
      if (FALSE.has(text)) return false;
      throw usage(`${shown} is either true or false, not "${text}".`);
    case 'count':
      if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
      throw usage(`${shown} takes a whole number of 1 or more, not "${text}".`);
    case 'text':
      if (spec.choices !== undefined && !spec.choices.includes(text)) throw wrongChoice(spec.choices, text, shown);
      return text;
    case 'list':
      return text;
    case 'refused':
      if (spec.accepts?.includes(text) === true) return undefined;
      throw new BuildError('UNSUPPORTED', `The option ${shown} is not supported: ${lowerFirst(spec.help)}.`, {
        hint: 'Remove the option. Nothing was built: zlayer refuses what it cannot do rather than ignore it.',
      });
  }
}

function wrongChoice(choices: readonly string[], text: string, shown: string): BuildError {
  const nearest = nearestName(text, choices);
  return usage(
    `${shown} cannot be "${text}".`,
    `${nearest === undefined ? '' : `Did you mean "${nearest}"? `}It is one of: ${choices.join(', ')}.`,
  );
}

function requireNext(next: string | undefined, shown: string, spec: OptionSpec): string {
  if (next !== undefined) return next;
  const placeholder = 'placeholder' in spec ? spec.placeholder : 'VALUE';
  throw usage(`The option ${shown} needs a value.`, `Write ${shown} ${placeholder}.`);
}

function unknownOption(shown: string, name: string, known: OptionTable): BuildError {
  const nearest = nearestName(name, Object.keys(known));
  return usage(`There is no option ${shown}.`, nearest === undefined ? undefined : `Did you mean --${nearest}?`);
}

function unknownLetter(letter: string, word: string, known: OptionTable): BuildError {
  const inside = word.length > 2 ? ` (in ${word})` : '';
  const asLong = nearestName(word.slice(1), Object.keys(known));
  return usage(
    `There is no option -${letter}${inside}.`,
    word.length > 3 && asLong !== undefined ? `Did you mean --${asLong}?` : undefined,
  );
}

function lowerFirst(text: string): string {
  return /^[A-Z][a-z ]/.test(text) ? text[0]!.toLowerCase() + text.slice(1) : text;
}

function usage(message: string, hint?: string): BuildError {
  return new BuildError('USAGE', message, { hint });
}
