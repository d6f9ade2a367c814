import { parseFlags } from '../flags.ts';
import { parseHeredocHead } from '../heredoc.ts';
import type { Word } from '../logical-line.ts';
import { complainAbout, complainAt, type Statement, toInstructionBase } from '../statement.ts';
import type { AddInstruction, CopyInstruction, Heredoc } from '../types.ts';
import { parseWordList } from './command-form.ts';

export function parseCopy(statement: Statement): CopyInstruction {
  const words = parsePaths(statement);
  const flags = parseFlags(statement, {
    from: 'value',
    chown: 'value',
    chmod: 'value',
    link: 'boolean',
    parents: 'boolean',
    exclude: 'values',
  });
  if (flags.from?.includes('$')) throw variableInFrom(statement);
  return {
    ...toInstructionBase(statement, words),
    kind: 'copy',
    ...sourcesAndDestination(statement, words),
    ...(flags.from === undefined || flags.from === '' ? {} : { from: flags.from }),
    ...ownership(flags),
    link: flags.link ?? false,
    parents: flags.parents ?? false,
    exclude: flags.exclude,
  };
}

export function parseAdd(statement: Statement): AddInstruction {
  const words = parsePaths(statement);
  const flags = parseFlags(statement, {
    chown: 'value',
    chmod: 'value',
    link: 'boolean',
    checksum: 'value',
    'keep-git-dir': 'boolean',
    unpack: 'boolean',
    exclude: 'values',
  });
  const keepGitDir = flags['keep-git-dir'];
  return {
    ...toInstructionBase(statement, words),
    kind: 'add',
    ...sourcesAndDestination(statement, words),
    ...ownership(flags),
    link: flags.link ?? false,
    parents: false,
    exclude: flags.exclude,
    ...(flags.checksum === undefined || flags.checksum === '' ? {} : { checksum: flags.checksum }),
    ...(keepGitDir === undefined ? {} : { keepGitDir }),
    ...(flags.unpack === undefined ? {} : { unpack: flags.unpack }),
  };
}

function ownership(flags: { readonly chown?: string; readonly chmod?: string }): { chown?: string; chmod?: string } {
  return {
    ...(flags.chown === undefined || flags.chown === '' ? {} : { chown: flags.chown }),
    ...(flags.chmod === undefined || flags.chmod === '' ? {} : { chmod: flags.chmod }),
  };
}

function parsePaths(statement: Statement): readonly Word[] {
  const words = parseWordList(statement, statement.rest);
  if (words.length >= 2) return words;
  const keyword = statement.keyword.text.toUpperCase();
  throw complainAbout(statement, {
    message: words.length === 0 ? `${keyword} names no source and no destination.` : `${keyword} names no destination.`,
    hint: `Write ${keyword} <source>… <destination>, or ${keyword} ["<source>", "<destination>"] for names with blanks.`,
  });
}

interface SourcesAndDestination {
  readonly sources: ReadonlyArray<string | Heredoc>;
  readonly destination: string;
}

function sourcesAndDestination(statement: Statement, words: readonly Word[]): SourcesAndDestination {
  const destination = words.at(-1)!;
  if (headOf(destination.text) !== undefined) {
    throw complainAt(statement, destination, {
      message: `${statement.keyword.text.toUpperCase()} cannot write into a heredoc.`,
      hint: 'The last word is the destination: put the path behind the heredoc, as in COPY <<EOF /path.',
    });
  }
  const bodies = new Map(statement.heredocs.map((heredoc) => [heredoc.name, heredoc]));
  const sources = words.slice(0, -1).map((word) => {
    const head = headOf(word.text);
    // A JSON form has no bodies: there, a word that looks like a heredoc is a path.
    return head === undefined ? word.text : (bodies.get(head.name) ?? word.text);
  });
  return { sources, destination: destination.text };
}

function headOf(word: string): { readonly name: string } | undefined {
  if (!word.includes('<<')) return undefined;
  try {
    return parseHeredocHead(word);
  } catch {
    return undefined;
  }
}

function variableInFrom(statement: Statement): Error {
  const flag = statement.flags.find(({ text }) => text.startsWith('--from='))!;
  return complainAt(statement, flag, {
    code: 'DOCKERFILE_INVALID',
    message: 'COPY --from cannot use a variable.',
    hint: 'Give the image a stage of its own (FROM $IMAGE AS source, with ARG before the first FROM) and copy from that.',
  });
}
