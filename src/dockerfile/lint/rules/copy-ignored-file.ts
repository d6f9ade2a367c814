import { cleanPath, type SourceLocation } from '../../../core/index.ts';
import type { IgnoreMatcher } from '../../ignore/ignore-matcher.ts';
import type { LintRule, RuleFinding } from '../rule.ts';
import type { ExpandedSource, LintStep } from '../subject.ts';

const REMOTE = /^(?:https?:\/\/|git:\/\/|ssh:\/\/|git@)/;

export const copyIgnoredFile: LintRule = {
  name: 'CopyIgnoredFile',
  summary: 'COPY and ADD take nothing that the ignore file hides.',
  origin: 'reference',
  check: ({ active, options: { ignore } }) =>
    ignore === undefined ? [] : active.flatMap(({ steps }) => steps.flatMap((step) => checkStep(step, ignore))),
};

function checkStep({ instruction, words }: LintStep, ignore: IgnoreMatcher): readonly RuleFinding[] {
  if (instruction.kind !== 'add' && (instruction.kind !== 'copy' || instruction.from !== undefined)) return [];
  return words.flatMap((word) => {
    const hiding = hidingRule(word, ignore);
    if (hiding === undefined) return [];
    const { path, pattern, location } = hiding;
    return [
      {
        message: `"${path}" cannot be copied: the rule "${pattern}"${placeOf(location)} hides it.`,
        hint: `${location === undefined ? 'Remove the rule' : `Remove line ${location.range.start.line} of ${location.fileName}`}, or add "!${path}" below it.`,
        range: word.range,
        instruction,
        ...(location === undefined ? {} : { related: location }),
      },
    ];
  });
}

interface Hiding {
  readonly path: string;
  readonly pattern: string;
  readonly location: SourceLocation | undefined;
}

function hidingRule({ field, texts, isComplete }: ExpandedSource, ignore: IgnoreMatcher): Hiding | undefined {
  const [text] = texts;
  if (field !== 'source' || text === undefined || !isComplete || REMOTE.test(text)) return undefined;
  const path = cleanPath(text);
  // The root is never ignored; but where nothing in it can be seen, to copy it means nothing.
  const { ignored, rule } = ignore.decide(path === '' ? 'x' : path);
  const hidesRoot = path !== '' || ['*', '**', '**/*'].includes(rule?.pattern ?? '');
  if (!ignored || rule === undefined || !hidesRoot || ignore.mayIncludeBelow(path)) return undefined;
  return { path: path || '.', pattern: rule.pattern, location: rule.location };
}

function placeOf(location: SourceLocation | undefined): string {
  return location === undefined ? '' : ` in line ${location.range.start.line} of ${location.fileName}`;
}
