export { type ExcerptOptions, formatExcerpt } from './excerpt.ts';
export {
  type ExpandedNames,
  type ExpandedWord,
  type ExpandedWords,
  type ExpandOptions,
  expandHeredocBody,
  expandWord,
  expandWords,
} from './expand.ts';
export { formatDockerfile, instructionsOf } from './format.ts';
export { type IgnoreRule, parseIgnoreFile, toIgnoreRules } from './ignore/ignore-file.ts';
export { createIgnoreMatcher, type IgnoreDecision, type IgnoreMatcher } from './ignore/ignore-matcher.ts';
export { lintDockerfile } from './lint/lint.ts';
export type { LintRule } from './lint/rule.ts';
export { LINT_RULES } from './lint/rules.ts';
export type { LintFinding, LintOptions, LintResult } from './lint/types.ts';
export { rangeOfArgument, rangeOfFlag } from './locate.ts';
export {
  type Outline,
  type OutlineArg,
  type OutlineOptions,
  outlineDockerfile,
  type TargetInfo,
  targetsOf,
} from './outline.ts';
export { type ParseOptions, parseDockerfile, parseInstruction } from './parse.ts';
export { type Device, parseDevice } from './parse-device.ts';
export { parseDuration } from './parse-duration.ts';
export { type ParseMountOptions, parseMount } from './parse-mount.ts';
export { type PortSpec, parsePortSpec, parsePorts } from './parse-ports.ts';
export { parseSignal } from './parse-signal.ts';
export { parseSize } from './parse-size.ts';
export { requireSyntax } from './require-syntax.ts';
export * from './types.ts';
