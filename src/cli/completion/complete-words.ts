import type { Command } from '../command.ts';
import { findName, namesOfGroup } from '../find-command.ts';
import type { CompletionHint, OptionSpec, OptionTable } from '../options/option-table.ts';
import { HELP_OPTION } from '../options/option-table.ts';

/** What may stand at the cursor: words, and whether the shell adds files of its own. */
export interface Completion {
  readonly candidates: ReadonlyArray<{ readonly value: string; readonly help: string }>;
  readonly files: 'none' | 'files' | 'directories';
}

/** What completion asks about the world. None of it may fail. */
export interface CompletionSources {
  readonly commands: readonly Command[];
  readonly imageNames: () => Promise<readonly string[]>;
  /** Stages of the Dockerfile that the words name. */
  readonly stageNames: (file: string | undefined) => readonly string[];
}

const NOTHING: Completion = { candidates: [], files: 'none' };

/** Completes the last of the words after `zlayer`; it may be empty. */
export async function completeWords(words: readonly string[], sources: CompletionSources): Promise<Completion> {
  const current = words.at(-1) ?? '';
  const [verb] = words;
  if (words.length <= 1 || (verb === 'help' && words.length === 2))
    return completeVerb(current, sources, words.length <= 1);
  const isHelp = verb === 'help';
  const line = isHelp ? words.slice(1) : words;
  const found = findName(namesOf(sources), line.slice(0, -1));
  const command = sources.commands.find(({ name }) => name === found?.name);
  if (found === undefined || command === undefined)
    return line.length === 2 ? completeMember(line[0]!, current, sources) : NOTHING;
  if (isHelp) return NOTHING;
  const before = found.rest;
  if (before.includes('--')) return completeHint(command.positionals.complete, { current, words, sources });
  const waiting = waitingOption(command.options, before.at(-1));
  if (waiting !== undefined) return completeValue(waiting, { current, words, sources });
  const equals = current.startsWith('--') ? current.indexOf('=') : -1;
  if (equals > 0) {
    const spec = command.options[current.slice(2, equals)];
    const prefix = current.slice(0, equals + 1);
    const inner =
      spec === undefined ? NOTHING : await completeValue(spec, { current: current.slice(equals + 1), words, sources });
    return { ...inner, candidates: inner.candidates.map(({ value, help }) => ({ value: prefix + value, help })) };
  }
  if (current.startsWith('-')) return completeOption(command.options, current);
  return completeHint(command.positionals.complete, { current, words, sources });
}

const namesOf = ({ commands }: CompletionSources): readonly string[] => commands.map(({ name }) => name);

interface At {
  readonly current: string;
  readonly words: readonly string[];
  readonly sources: CompletionSources;
}

function completeVerb(current: string, sources: CompletionSources, withHelp: boolean): Completion {
  const verbs = new Map<string, string>();
  for (const { name, summary } of sources.commands) {
    const [word = name, member] = name.split(' ');
    if (!verbs.has(word))
      verbs.set(word, member === undefined ? summary : `Commands: ${membersOf(namesOf(sources), word)}`);
  }
  const help = withHelp ? [{ value: 'help', help: 'Show help' }] : [];
  const candidates = [...[...verbs].map(([value, text]) => ({ value, help: text })), ...help];
  return { candidates: candidates.filter(({ value }) => value.startsWith(current)), files: 'none' };
}

function membersOf(names: readonly string[], group: string): string {
  return namesOfGroup(names, group)
    .map((name) => name.slice(group.length + 1))
    .join(', ');
}

/** The second word of a command of a group. */
function completeMember(group: string, current: string, sources: CompletionSources): Completion {
  const members = new Set(namesOfGroup(namesOf(sources), group));
  const candidates = sources.commands
    .filter(({ name }) => members.has(name))
    .map(({ name, summary }) => ({ value: name.slice(group.length + 1), help: summary }))
    .filter(({ value }) => value.startsWith(current));
  return { candidates, files: 'none' };
}

function completeOption(options: OptionTable, current: string): Completion {
  const known: OptionTable = { ...options, help: HELP_OPTION };
  const shown = Object.entries(known).filter(([, spec]) => spec.kind !== 'refused');
  const candidates = shown.map(([name, { help }]) => ({ value: `--${name}`, help }));
  return { candidates: candidates.filter(({ value }) => value.startsWith(current)), files: 'none' };
}

/** The option before the cursor, when it takes the word at the cursor as its value. */
function waitingOption(options: OptionTable, word: string | undefined): OptionSpec | undefined {
  if (word === undefined || !word.startsWith('-') || word === '-' || word.includes('=')) return undefined;
  const spec = word.startsWith('--')
    ? options[word.slice(2)]
    : Object.values(options).find(({ short }) => short !== undefined && word.endsWith(short));
  if (spec === undefined || spec.kind === 'boolean' || spec.kind === 'refused') return undefined;
  return spec.kind === 'text' && spec.bare !== undefined ? undefined : spec;
}

async function completeValue(spec: OptionSpec, at: At): Promise<Completion> {
  if (spec.kind === 'text' && spec.choices !== undefined) return among(spec.choices, at.current);
  return completeHint(spec.kind === 'text' || spec.kind === 'list' ? spec.complete : undefined, at);
}

async function completeHint(hint: CompletionHint | undefined, { current, words, sources }: At): Promise<Completion> {
  if (hint === 'file') return { candidates: [], files: 'files' };
  if (hint === 'directory') return { candidates: [], files: 'directories' };
  if (hint === 'image') return among(await sources.imageNames(), current);
  if (hint === 'stage') return among(sources.stageNames(fileOption(words)), current);
  return NOTHING;
}

function fileOption(words: readonly string[]): string | undefined {
  const at = words.findIndex((word) => word === '-f' || word === '--file');
  return at < 0 ? undefined : words[at + 1];
}

function among(values: readonly string[], current: string): Completion {
  const candidates = [...new Set(values)]
    .filter((value) => value.startsWith(current))
    .map((value) => ({ value, help: '' }));
  return { candidates, files: 'none' };
}
