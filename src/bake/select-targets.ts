import { BuildError } from '../core/index.ts';
import { mergeTarget, unknownTarget } from './merge-targets.ts';
import { applyOverrides, type Override } from './override-target.ts';
import type { BakeGroup, BakeProject, BakeTarget } from './types.ts';

/** What is to be built. */
export interface BakeSelection {
  /** The groups that were named, with the targets that they come to. */
  readonly groups: ReadonlyMap<string, BakeGroup>;
  /** Those that others need come before them. */
  readonly targets: ReadonlyMap<string, BakeTarget>;
  /** Targets that nobody named: they are built because others need them, and go nowhere. */
  readonly linked: ReadonlySet<string>;
}

/** What is built when nothing is named: the group `default`, else the target `default`, else every target. */
const DEFAULT = 'default';
const CONTEXT_SCHEME = 'target:';

/**
 * The targets that names stand for, with those that they need through `contexts`, in the order in which they can be built.
 *
 * @throws BuildError `BAKE_INVALID` for a name that nothing has, and for targets that need each other.
 */
export function selectTargets(
  project: BakeProject,
  names: readonly string[],
  overrides: readonly Override[] = [],
): BakeSelection {
  const wanted = names.length > 0 ? names : defaultNames(project);
  const roots = [...new Set(wanted.flatMap((name) => expand(project, name, [])))];
  const targets = new Map<string, BakeTarget>();
  const visit = (name: string, path: readonly string[]): void => {
    if (targets.has(name)) return;
    if (path.includes(name)) {
      throw new BuildError('BAKE_INVALID', `The targets need each other: ${[...path, name].join(' → ')}.`);
    }
    const target = applyOverrides(mergeTarget(WITH_DEFAULTS, project.targets.get(name)!), { name, overrides });
    for (const needed of targetsNeededBy(target)) {
      if (!project.targets.has(needed)) throw unknownTarget(needed, project.targets.keys());
      visit(needed, [...path, name]);
    }
    targets.set(name, target);
  };
  for (const name of roots) visit(name, []);
  const linked = new Set([...targets.keys()].filter((name) => !roots.includes(name)));
  // As the reference has it: an output of what is only a part of others is not asked for.
  for (const name of linked) targets.set(name, { ...targets.get(name)!, output: ['type=cacheonly'] });
  return { groups: selectGroups(project, wanted), targets, linked };
}

const WITH_DEFAULTS: BakeTarget = { context: '.', dockerfile: 'Dockerfile' };

function defaultNames({ groups, targets }: BakeProject): readonly string[] {
  return groups.has(DEFAULT) || targets.has(DEFAULT) ? [DEFAULT] : [...targets.keys()];
}

function expand(project: BakeProject, name: string, path: readonly string[]): readonly string[] {
  if (path.includes(name)) {
    throw new BuildError('BAKE_INVALID', `The group "${name}" holds itself: ${[...path, name].join(' → ')}.`);
  }
  const group = project.groups.get(name);
  if (group !== undefined) return group.targets.flatMap((each) => expand(project, each, [...path, name]));
  if (project.targets.has(name)) return [name];
  throw unknownTarget(name, [...project.targets.keys(), ...project.groups.keys()]);
}

function selectGroups(project: BakeProject, names: readonly string[]): ReadonlyMap<string, BakeGroup> {
  const groups = new Map<string, BakeGroup>();
  for (const name of names) {
    const group = project.groups.get(name);
    if (group !== undefined) groups.set(name, group);
  }
  // As the reference prints it: what was asked for is the default group.
  if (!groups.has(DEFAULT)) groups.set(DEFAULT, { targets: names });
  return groups;
}

/** The targets that a target takes files or its base from. */
export function targetsNeededBy({ contexts = {} }: BakeTarget): readonly string[] {
  return Object.values(contexts).flatMap((value) =>
    value.startsWith(CONTEXT_SCHEME) ? [value.slice(CONTEXT_SCHEME.length)] : [],
  );
}

/** The selection as buildx's `--print` writes it. */
export function printSelection({ groups, targets }: Pick<BakeSelection, 'groups' | 'targets'>): string {
  const document = { group: Object.fromEntries(groups), target: Object.fromEntries(targets) };
  return `${JSON.stringify(document, null, 2)}\n`;
}
