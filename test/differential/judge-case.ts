import { checkConfig, compareConfigs } from '../support/compare-configs.ts';
import { compareTrees } from '../support/compare-trees.ts';
import { type Allowance, type Difference, formatDifferences, judge } from '../support/differences.ts';
import type { DifferentialCase } from './differential-case.ts';
import { checkExpectations } from './expectations.ts';
import type { BuiltImage, OurImage, Outcome } from './outcome.ts';
import { REASONS } from './reasons.ts';

/** What buildah 1.28 does differently in every image with a RUN. */
const EVERYWHERE: readonly Allowance[] = ['etc/hosts', 'etc/hostname', 'etc/resolv.conf'].map((path) => ({
  path,
  field: 'presence',
  reason: 'buildah leaves the empty file on which it mounted its own; nothing of the scaffolding may enter a layer.',
}));

export interface Verdict {
  /** Why the case fails; none when it passes. */
  readonly problems: readonly string[];
  /** It passes, but differs from the reference where that is known and right. */
  readonly known: boolean;
}

/** Holds both outcomes against each other and against the case's own lines. `theirs` is undefined where it was not asked. */
export async function judgeCase(
  each: DifferentialCase,
  ours: Outcome<OurImage>,
  theirs: Outcome<BuiltImage> | undefined,
): Promise<Verdict> {
  const problems = [
    ...checkOurs(each, ours),
    ...(theirs === undefined ? [] : checkTheirs(each, theirs)),
    ...(ours.kind === 'image' ? await checkExpectations(each.expect, ours.image) : []),
    ...(ours.kind === 'image' && theirs?.kind === 'image' ? compareImages(each, ours.image, theirs.image) : []),
  ];
  return { problems, known: each.allow.length > 0 || ['refuses', 'accepts', 'none'].includes(each.reference.kind) };
}

function checkOurs({ fails }: DifferentialCase, ours: Outcome<OurImage>): readonly string[] {
  if (ours.kind === 'image') {
    if (fails !== undefined) return [`It builds, and should fail with ${fails.code}.`];
    return checkConfig(ours.image.config, ours.image.layers.length);
  }
  const { code, message } = ours;
  if (fails === undefined) return [`Ours fails with ${code}: ${message}`];
  if (fails.code === code && message.includes(fails.text)) return [];
  return [`It should fail with ${fails.code} "${fails.text}", and fails with ${code}: ${message}`];
}

function checkTheirs({ fails, reference }: DifferentialCase, theirs: Outcome<BuiltImage>): readonly string[] {
  const shouldFail = reference.kind === 'refuses' || (fails !== undefined && reference.kind !== 'accepts');
  if (theirs.kind === 'image') return shouldFail ? ['The reference builds what it is said to refuse.'] : [];
  return shouldFail ? [] : [`The reference fails: ${theirs.message.trimEnd()}`];
}

function compareImages(each: DifferentialCase, ours: OurImage, theirs: BuiltImage): readonly string[] {
  const builtSince = Math.min(ours.startedAt, theirs.startedAt);
  const differences = [
    ...compareTrees(ours.tree, theirs.tree, { builtSince }),
    ...compareConfigs(ours.config, theirs.config),
  ];
  const allowances = each.allow.map(({ path, field, reason }) => ({ path, field, reason: REASONS[reason] ?? '' }));
  const { unexplained, unused } = judge(differences, allowances, EVERYWHERE);
  return [
    ...(unexplained.length === 0 ? [] : [formatDifferences(unexplained.map(clip))]),
    ...unused.map(({ path, field }) => `The allowance of ${path} ${field} is not needed.`),
  ];
}

/** Long values (a label of 70,000 characters) tell no more than their beginning. */
function clip(difference: Difference): Difference {
  const short = (text: string): string => (text.length > 300 ? `${text.slice(0, 300)}…` : text);
  return { ...difference, ours: short(difference.ours), theirs: short(difference.theirs) };
}
