import type { Entry, FileTree } from '../../archive/index.ts';
import {
  BuildError,
  type BytePath,
  baseNameOf,
  bytePathOf,
  cleanPath,
  compilePathPattern,
  compilePatternList,
  hasWildcard,
  type PatternList,
  type PatternListMatch,
  parsePatternRule,
  textOfPath,
} from '../../core/index.ts';
import type { CopyOp, CopySource } from '../../graph/index.ts';
import type { TreeResult } from '../types.ts';
import { nearestNames } from './nearest-names.ts';
import { resolveInRoot } from './resolve-in-root.ts';

/** A tree that is copied from, with what is known about it. */
export type SourceTree = Pick<TreeResult, 'tree' | 'ignoredBy' | 'fileDigest'>;

/** One file or directory that a source of a COPY stands for. */
export interface Selection {
  readonly tree: FileTree;
  /** Symlinks in it are followed, the last component included. */
  readonly path: BytePath;
  readonly entry: Entry;
  /** The name that the source gives it: a link keeps its own. */
  readonly name: BytePath;
  /** Only what matches is taken, with its parents (`--parents`). */
  readonly include?: PatternList;
  readonly exclude?: PatternList;
}

/** An entry below a selection. */
export interface WalkedEntry {
  /** Relative to the selection. */
  readonly relative: BytePath;
  /** In the tree. */
  readonly path: BytePath;
  readonly entry: Entry;
  /** A directory that is taken only because something below it is. */
  readonly implied: boolean;
}

type InputSource = Extract<CopySource, { kind: 'input' }>;

/**
 * Finds what one source of a COPY or ADD stands for, in the order of names. A wildcard stops at `/` and does not follow
 * symlinks in the part with wildcards, but the found path itself is followed; one that matches nothing is no error (BuildKit's
 * behaviour) unless `mustMatch` says so. With `parents`, the part before `/./` (else the root) is selected, and the rest filters
 * what is taken below it.
 *
 * @throws BuildError `SOURCE_NOT_FOUND` with the nearest names and the ignore rule, `DOCKERFILE_INVALID` for a bad pattern.
 */
export function selectSources(
  source: SourceTree,
  from: InputSource,
  op: Pick<CopyOp, 'parents' | 'exclude'>,
): readonly Selection[] {
  const exclude = op.exclude.length === 0 ? undefined : compileExclude(op.exclude);
  const selections = op.parents ? selectWithParents(source, from, exclude) : selectPaths(source, from, exclude);
  if (from.mustMatch && takesNothing(selections)) throw notFound(source, from.path);
  return selections;
}

function compileExclude(patterns: readonly string[]): PatternList {
  return compilePatternList(
    patterns.map(parsePatternRule).filter((rule) => rule !== undefined),
    'DOCKERFILE_INVALID',
  );
}

/** Whether the pattern of a source matched nothing, or nothing that is taken. */
export function takesNothing(selections: readonly Selection[]): boolean {
  return selections.every(
    (selection) => selection.include !== undefined && walkSelection(selection).next().done === true,
  );
}

function selectPaths(source: SourceTree, from: InputSource, exclude: PatternList | undefined): readonly Selection[] {
  const found = expandPath(source.tree, from.path);
  const isPattern = hasWildcard(from.path);
  if (found.length === 0 && !isPattern) throw notFound(source, from.path);
  return found
    .map((path) => toSelection(source.tree, path, exclude))
    .filter((selection) => !(isPattern && isExcludedFile(selection, exclude)));
}

function selectWithParents(
  source: SourceTree,
  from: InputSource,
  exclude: PatternList | undefined,
): readonly Selection[] {
  const pivot = from.path.indexOf('/./');
  const root = pivot < 0 ? '/' : from.path.slice(0, pivot);
  const pattern = textOfPath(cleanPath(bytePathOf(pivot < 0 ? from.path : from.path.slice(pivot + 3))));
  const roots = expandPath(source.tree, root);
  const include = pattern === '' ? undefined : compilePatternList([{ pattern, negated: false }], 'DOCKERFILE_INVALID');
  const selections = roots.map((path) => {
    const selection = toSelection(source.tree, path, exclude);
    return include === undefined ? selection : { ...selection, include };
  });
  const isLiteral = !hasWildcard(root) && !hasWildcard(pattern);
  const isMissing =
    selections.length === 0 || (isLiteral && selections.every((selection) => !hasLiteral(selection, pattern)));
  if (isMissing && isLiteral) throw notFound(source, from.path);
  return selections;
}

function hasLiteral(selection: Selection, pattern: string): boolean {
  const literal = bytePathOf(compilePathPattern(pattern).literal ?? pattern);
  const path = selection.path === '' ? literal : `${selection.path}/${literal}`;
  return selection.tree.stat(cleanPath(path)) !== undefined;
}

function toSelection(tree: FileTree, named: BytePath, exclude: PatternList | undefined): Selection {
  const { path, entry } = resolveInRoot(tree, named);
  return {
    tree,
    path,
    entry: entry as Entry,
    name: baseNameOf(named),
    ...(exclude === undefined ? {} : { exclude }),
  };
}

/** Docker documents that `--exclude` also drops files which the source's own pattern found; a plain source is taken anyway. */
function isExcludedFile(selection: Selection, exclude: PatternList | undefined): boolean {
  return selection.entry.type !== 'directory' && exclude?.match(textOfPath(selection.name)).matched === true;
}

/** Paths that exist once their symlinks are followed. */
function expandPath(tree: FileTree, pattern: string): readonly BytePath[] {
  const parts = pattern.split('/').filter((part) => part !== '' && part !== '.');
  const first = parts.findIndex((part) => hasWildcard(part));
  const plain = (first < 0 ? parts : parts.slice(0, first)).map((part) => compilePathPattern(part).literal ?? part);
  const fixed = cleanPath(bytePathOf(plain.join('/')));
  const exists = (path: BytePath): boolean => resolveInRoot(tree, path).entry !== undefined;
  if (first < 0) return exists(fixed) ? [fixed] : [];
  const start = resolveInRoot(tree, fixed);
  if (start.entry?.type !== 'directory') return validated(parts.slice(first), []);
  return validated(parts.slice(first), [start.path]).filter(exists);

  function validated(wild: readonly string[], starts: readonly BytePath[]): readonly BytePath[] {
    const patterns = wild.map((part) => compilePathPattern(part));
    return patterns.reduce<readonly BytePath[]>(
      (paths, { matches }) =>
        paths.flatMap((path) =>
          tree
            .list(path)
            .filter((name) => matches(textOfPath(name)))
            .map((name) => (path === '' ? name : `${path}/${name}`)),
        ),
      starts,
    );
  }
}

/**
 * Everything that a selection takes below itself: parents before children, names in byte order. The selection's own entry is
 * not part of it. An excluded directory is entered only where a `!` pattern may take something back.
 */
export function* walkSelection(selection: Selection): Generator<WalkedEntry> {
  if (selection.entry.type !== 'directory') return;
  /** Directories entered without being taken, outermost first; they are taken with the first thing below. */
  const pending: WalkedEntry[] = [];
  yield* walkDirectory({ selection, pending }, { path: selection.path, relative: '' });
}

interface WalkState {
  readonly selection: Selection;
  readonly pending: WalkedEntry[];
}

interface WalkPosition {
  readonly path: BytePath;
  readonly relative: BytePath;
  readonly include?: PatternListMatch | undefined;
  readonly exclude?: PatternListMatch | undefined;
}

function* walkDirectory(state: WalkState, at: WalkPosition): Generator<WalkedEntry> {
  const { tree, include, exclude } = state.selection;
  const pathPrefix = at.path === '' ? '' : `${at.path}/`;
  const relativePrefix = at.relative === '' ? '' : `${at.relative}/`;
  for (const name of tree.list(at.path)) {
    const path = pathPrefix + name;
    const relative = relativePrefix + name;
    if (include === undefined && exclude === undefined) {
      const entry = tree.stat(path);
      if (entry === undefined) continue;
      yield { relative, path, entry, implied: false };
      if (entry.type === 'directory') yield* walkDirectory(state, { path, relative });
    } else {
      yield* walkFiltered(state, { path, relative, include: at.include, exclude: at.exclude });
    }
  }
}

function* walkFiltered({ selection, pending }: WalkState, at: WalkPosition): Generator<WalkedEntry> {
  const { path, relative } = at;
  const text = textOfPath(relative);
  const { include, exclude } = selection;
  const included = include?.match(text, at.include);
  const excluded = exclude?.match(text, at.exclude);
  const isTaken = included?.matched !== false && excluded?.matched !== true;
  const mayTakeBelow =
    (excluded?.matched !== true || exclude?.mayChangeBelow(text, excluded) === true) &&
    (included?.matched !== false || include?.mayChangeBelow(text, included) === true);
  if (!isTaken && !mayTakeBelow) return;
  const entry = selection.tree.stat(path);
  if (entry === undefined || (!isTaken && entry.type !== 'directory')) return;
  const own: WalkedEntry = { relative, path, entry, implied: !isTaken };
  if (isTaken) {
    yield* pending.splice(0);
    yield own;
  } else {
    pending.push(own);
  }
  if (entry.type !== 'directory' || !mayTakeBelow) return;
  yield* walkDirectory({ selection, pending }, { path, relative, include: included, exclude: excluded });
  if (pending.at(-1) === own) pending.pop();
}

function notFound(source: SourceTree, pattern: string): BuildError {
  const path = cleanPath(bytePathOf(compileLiteral(pattern)));
  const text = textOfPath(path);
  const rule = hasWildcard(pattern) ? undefined : source.ignoredBy?.(path);
  const facts = { path: text, ...(rule === undefined ? {} : { ignoredBy: rule }) };
  if (rule !== undefined) {
    return new BuildError(
      'SOURCE_NOT_FOUND',
      `"${text}" cannot be copied: the rule "${rule.pattern}" in line ${rule.line} of ${rule.fileName} hides it.`,
      { facts, hint: `Remove line ${rule.line} of ${rule.fileName}, or add "!${text}" below it.` },
    );
  }
  // Only a local context has ignore rules.
  const place = source.ignoredBy === undefined ? 'what it is copied from' : 'the build context';
  const message = hasWildcard(pattern)
    ? `Nothing matches "${pattern}" in ${place}.`
    : `"${text}" cannot be copied: it is not in ${place}.`;
  return new BuildError('SOURCE_NOT_FOUND', message, { facts, hint: hintOfMissing(source, path) });
}

function hintOfMissing(source: SourceTree, path: BytePath): string {
  const near = nearestNames(source.tree, path).map((name) => `"${textOfPath(name)}"`);
  if (near.length > 0) return `There is ${near.join(', ')}.`;
  return source.ignoredBy === undefined
    ? 'The path counts from the root of the stage, image or repository, whatever its working directory.'
    : 'The path counts from the root of the build context, not from the Dockerfile; `zlayer context ls` lists what is there.';
}

function compileLiteral(pattern: string): string {
  return hasWildcard(pattern) ? pattern : pattern.replace(/\\(.)/gsu, '$1');
}
