import { BuildError, nearestWord } from '../core/index.ts';
import { errorAt } from './hcl/reader.ts';
import type { GroupSource, TargetSource } from './read-targets.ts';
import { ATTRIBUTES, type BakeGroup, type BakeTarget } from './types.ts';

/** Merges what a later source says over what an earlier one said: maps by key, annotations one after the other, the rest whole. */
export function mergeTarget(before: BakeTarget, after: BakeTarget): BakeTarget {
  const merged: Record<string, unknown> = { ...before, ...after };
  for (const [name, kind] of Object.entries(ATTRIBUTES) as [keyof BakeTarget, string][]) {
    if (before[name] === undefined || after[name] === undefined) continue;
    if (kind === 'map') merged[name] = { ...(before[name] as object), ...(after[name] as object) };
    if (name === 'annotations') merged[name] = [...before[name], ...(after[name] as readonly string[])];
  }
  return merged as BakeTarget;
}

/**
 * The targets of all files by name: those of the same name merged in the order of the files, and each over those that it
 * inherits from.
 *
 * @throws BuildError `BAKE_INVALID` for a target that inherits from itself, or from one that is not there.
 */
export function mergeTargets(sources: readonly TargetSource[]): ReadonlyMap<string, BakeTarget> {
  const byName = new Map<string, readonly TargetSource[]>();
  for (const source of sources) byName.set(source.name, [...(byName.get(source.name) ?? []), source]);
  const merged = new Map<string, BakeTarget>();
  const resolve = (name: string, path: readonly string[]): BakeTarget => {
    const known = merged.get(name);
    if (known !== undefined) return known;
    const own = byName.get(name)!;
    const { place } = own.at(-1)!;
    if (path.includes(name)) {
      throw errorAt(
        place.file,
        place.range,
        `The target "${name}" inherits from itself: ${[...path, name].join(' → ')}.`,
      );
    }
    let target: BakeTarget = {};
    for (const parent of own.findLast(({ inherits }) => inherits.length > 0)?.inherits ?? []) {
      if (!byName.has(parent)) throw errorAt(place.file, place.range, missing('target', parent, byName.keys()));
      target = mergeTarget(target, resolve(parent, [...path, name]));
    }
    for (const source of own) target = mergeTarget(target, source.target);
    merged.set(name, target);
    return target;
  };
  for (const name of byName.keys()) resolve(name, []);
  return merged;
}

/** The groups of all files; targets of groups of the same name are put together. */
export function mergeGroups(sources: readonly GroupSource[]): ReadonlyMap<string, BakeGroup> {
  const groups = new Map<string, BakeGroup>();
  for (const { name, targets, description } of sources) {
    const before = groups.get(name);
    groups.set(name, {
      targets: [...new Set([...(before?.targets ?? []), ...targets])],
      ...(description === undefined ? {} : { description }),
    });
  }
  return groups;
}

function missing(kind: string, name: string, known: Iterable<string>): string {
  const nearest = nearestWord(name, known);
  return `There is no ${kind} "${name}"${nearest === undefined ? '' : `; the nearest is "${nearest}"`}.`;
}

/** The error for a name on the command line, in a group or in `contexts` that nothing has. */
export function unknownTarget(name: string, known: Iterable<string>): BuildError {
  const names = [...known];
  const hint = names.length === 0 ? 'The files define no target.' : `There are: ${names.toSorted().join(', ')}.`;
  return new BuildError('BAKE_INVALID', missing('target or group', name, names), { hint });
}
