import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CaseAllowance, CaseOptions, ContextFile, DifferentialCase, ReferenceRole } from './differential-case.ts';
import { parseAttributes } from './listing.ts';
import { resolveEscapes, type Token, tokenize } from './tokens.ts';

const CASES = join(import.meta.dirname, 'cases');

/** Reads every case of the corpus, in order of their ids. Characters are bytes: names and contents may be in any encoding. */
export function readCases(): readonly DifferentialCase[] {
  return readdirSync(CASES).flatMap((theme) =>
    readdirSync(join(CASES, theme))
      .sort()
      .map((file) =>
        parseCase(`${theme}/${file.replace(/\.txt$/, '')}`, readFileSync(join(CASES, theme, file), 'latin1')),
      ),
  );
}

/** Reads the text of one case; the README tells its form. */
export function parseCase(id: string, text: string): DifferentialCase {
  try {
    const [header = [], ...sections] = splitSections(text);
    const { about, fields } = parseHeader(header);
    const marked = (name: string): readonly Section[] => sections.map(toSection).filter(({ kind }) => kind === name);
    const single = (field: string): string | undefined => fields.find(([key]) => key === field)?.[1];
    const flag = (field: string): Readonly<Record<string, string>> => Object.fromEntries(pairsOf(fields, field));
    const optional = (key: keyof CaseOptions): object => (single(key) === undefined ? {} : { [key]: single(key) });
    const fails = single('fails');
    return {
      id,
      theme: id.slice(0, id.indexOf('/')),
      about,
      rules: (single('rules') ?? '').split(' ').map(toRule),
      options: {
        ...optional('target'),
        ...optional('platform'),
        ...optional('dockerfile'),
        ...optional('serve'),
        buildArgs: flag('build-arg'),
        labels: flag('label'),
        secrets: flag('secret'),
        buildContexts: flag('build-context'),
        addHosts: flag('add-host'),
      },
      files: marked('file').map(toContextFile),
      before: Object.fromEntries(marked('before').map(({ words, lines }) => [words[0]?.text ?? '', textOf(lines)])),
      reference: toReference(single('reference'), marked('reference')),
      allow: fields.filter(([key]) => key === 'allow').map(([, value]) => toAllowance(value)),
      ...(fails === undefined ? {} : { fails: toFailure(fails) }),
      expect: marked('expect').flatMap(({ lines }) => lines.filter((line) => line.trim() !== '')),
      rootOnly: single('needs') === 'root',
    };
  } catch (error) {
    throw new Error(`${id}: ${error instanceof Error ? error.message : error}`, { cause: error });
  }
}

type Field = readonly [key: string, value: string];

const FIELDS = [
  ...['rules', 'target', 'platform', 'dockerfile', 'serve', 'build-arg', 'label', 'secret', 'build-context'],
  ...['add-host', 'reference', 'allow', 'fails', 'needs'],
];

/** Lines up to the first marker, then each marker with the lines below it. */
function splitSections(text: string): readonly (readonly string[])[] {
  const sections: string[][] = [[]];
  for (const line of text.replace(/\n$/, '').split('\n')) {
    if (/^(--|==) .* \1$/.test(line)) sections.push([line]);
    else sections.at(-1)!.push(line);
  }
  return sections;
}

function parseHeader(lines: readonly string[]): { readonly about: string; readonly fields: readonly Field[] } {
  const end = lines.indexOf('');
  const fields = lines.slice(end + 1).filter((line) => line !== '');
  return {
    about: Buffer.from(lines.slice(0, end).join(' '), 'latin1').toString('utf8'),
    fields: fields.map((line) => {
      const colon = line.indexOf(':');
      const key = line.slice(0, colon);
      if (!FIELDS.includes(key)) throw new Error(`"${line}" is no field; these are: ${FIELDS.join(', ')}.`);
      return [key, line.slice(colon + 1).trim()];
    }),
  };
}

interface Section {
  readonly kind: string;
  readonly words: readonly Token[];
  readonly lines: readonly string[];
}

/** `-- path … --` is a file of the context; `== expect ==`, `== reference ==` and `== before TAG ==` are about the case. */
function toSection([marker = '', ...lines]: readonly string[]): Section {
  const words = tokenize(marker.slice(3, -3));
  if (marker.startsWith('--')) return { kind: 'file', words, lines };
  const [first, ...rest] = words;
  if (!['expect', 'reference', 'before'].includes(first?.text ?? '')) throw new Error(`"${marker}" is no section.`);
  return { kind: first!.text, words: rest, lines };
}

function toContextFile({ words: tokens, lines }: Section): ContextFile {
  const { attributes, words } = parseAttributes(tokens);
  const [name, sign, link] = words;
  const path = name?.text ?? '';
  const content = textOf(lines);
  if (sign === undefined) {
    return path.endsWith('/')
      ? { kind: 'directory', path: path.slice(0, -1), ...attributes }
      : { kind: 'file', path, ...attributes, content };
  }
  const archive = /^tar(?:\+(\w+))?$/.exec(sign.text);
  if (archive !== null) return { kind: 'archive', path, ...attributes, content, compression: archive[1] ?? 'none' };
  if (sign.text === 'fifo') return { kind: 'fifo', path, ...attributes };
  if (sign.text === 'escaped') return { kind: 'file', path, ...attributes, content: resolveEscapes(lines.join('\n')) };
  if (link === undefined || !['->', '='].includes(sign.text)) throw new Error(`"${sign.text}" of ${path} is unknown.`);
  return { kind: sign.text === '=' ? 'hardlink' : 'symlink', path, ...attributes, link: link.text };
}

function textOf(lines: readonly string[]): string {
  return lines.map((line) => `${line}\n`).join('');
}

function toRule(text: string): number {
  const rule = Number(text);
  if (!Number.isInteger(rule) || rule < 1) throw new Error(`"${text}" is not the number of a rule.`);
  return rule;
}

function pairsOf(fields: readonly Field[], name: string): readonly Field[] {
  const toText = (bytes: string): string => Buffer.from(bytes, 'latin1').toString('utf8');
  return fields.filter(([key]) => key === name).map(([, value]) => splitPair(toText(value)));
}

function splitPair(value: string): Field {
  const equals = value.indexOf('=');
  if (equals < 0) throw new Error(`"${value}" lacks a "=".`);
  return [value.slice(0, equals), value.slice(equals + 1)];
}

/** `allow: PATH FIELD REASON` */
function toAllowance(value: string): CaseAllowance {
  const [path, field, reason, ...more] = tokenize(value);
  if (path === undefined || field === undefined || reason === undefined || more.length > 0)
    throw new Error(`An allowance is a path, a field and a reason; "${value}" is not.`);
  return { path: path.text, field: field.text, reason: reason.text };
}

/** `fails: CODE some text of the message` */
function toFailure(value: string): { readonly code: string; readonly text: string } {
  const [code = '', ...words] = value.split(' ');
  if (words.length === 0) throw new Error('"fails" names a code and then a part of the message.');
  return { code, text: words.join(' ') };
}

/** `reference: refuses REASON`, or a section with another Dockerfile. */
function toReference(value: string | undefined, sections: readonly Section[]): ReferenceRole {
  const [section] = sections;
  if (section !== undefined) return { kind: 'rewritten', dockerfile: textOf(section.lines) };
  if (value === undefined) return { kind: 'same' };
  const [kind, reason] = value.split(' ');
  if ((kind === 'refuses' || kind === 'accepts' || kind === 'none') && reason !== undefined) return { kind, reason };
  throw new Error(`"reference: ${value}" is none of refuses, accepts and none, with a reason.`);
}
