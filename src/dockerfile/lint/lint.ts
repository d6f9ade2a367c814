import { type SourceLocation, withLocation } from '../../core/index.ts';
import type { Dockerfile } from '../types.ts';
import {
  type CheckOptions,
  includesRule,
  inlineCheckOptions,
  NO_CHECK_OPTIONS,
  parseCheckOptions,
} from './check-options.ts';
import type { LintRule, RuleFinding } from './rule.ts';
import { LINT_RULES } from './rules.ts';
import { createSubject } from './subject.ts';
import type { LintFinding, LintOptions, LintResult } from './types.ts';

const OVERRIDE_ARG = 'BUILDKIT_DOCKERFILE_CHECK';

/**
 * Runs the checks over a Dockerfile: BuildKit's, by its names, and our own. `# check=…` at the top, or the build arg
 * `BUILDKIT_DOCKERFILE_CHECK` in its place, selects rules; `# check=skip=…` above an instruction counts for that one.
 *
 * @throws BuildError `DOCKERFILE_INVALID` for a malformed `check` option.
 */
export function lintDockerfile(dockerfile: Dockerfile, options: LintOptions = {}): LintResult {
  const config = readConfig(dockerfile, options);
  const subject = createSubject(dockerfile, options);
  const findings = LINT_RULES.filter((rule) => isEnabled(rule, config))
    .flatMap((rule) =>
      rule
        .check(subject)
        .filter((found) => !isSkippedInline(rule, found))
        .map((found) => toFinding(dockerfile, rule, found)),
    )
    .sort(byPlace);
  const rules = findings.filter(({ severity }) => severity === 'warning').map(({ rule }) => rule);
  return { findings, violations: config.error ? [...new Set(rules)].sort() : [] };
}

function readConfig({ directives, fileName, text }: Dockerfile, { buildArgs }: LintOptions): CheckOptions {
  const override = buildArgs?.[OVERRIDE_ARG];
  if (override !== undefined) return parseCheckOptions(override);
  if (directives.check === undefined) return NO_CHECK_OPTIONS;
  try {
    return parseCheckOptions(directives.check.value);
  } catch (error) {
    throw withLocation(error, { fileName, text, range: directives.check.range });
  }
}

/** An experimental rule runs when it is named, whatever is skipped. */
function isEnabled(rule: LintRule, config: CheckOptions): boolean {
  return rule.experimental ? includesRule(config.experimental, rule.name) : !includesRule(config.skip, rule.name);
}

function isSkippedInline(rule: LintRule, { instruction }: RuleFinding): boolean {
  return includesRule(inlineCheckOptions(instruction?.docComment ?? []).skip, rule.name);
}

function toFinding({ fileName, text }: Dockerfile, rule: LintRule, found: RuleFinding): LintFinding {
  const range = found.range ?? found.instruction?.range;
  const location: SourceLocation | undefined = range === undefined ? undefined : { fileName, text, range };
  return {
    rule: rule.name,
    message: found.message,
    ...(found.hint === undefined ? {} : { hint: found.hint }),
    page: pageOf(rule.name),
    severity: rule.origin === 'own' ? 'advice' : 'warning',
    ...(location === undefined ? {} : { location }),
    ...(found.related === undefined ? {} : { related: found.related }),
  };
}

/** `docs/checks/json-args-recommended.md` for `JSONArgsRecommended`. */
function pageOf(name: string): string {
  const words = name.replace(/([a-z0-9])([A-Z])|([A-Z]+)(?=[A-Z][a-z])/g, (_, low, high, run) =>
    run ? `${run}-` : `${low}-${high}`,
  );
  return `docs/checks/${words.toLowerCase()}.md`;
}

function byPlace(a: LintFinding, b: LintFinding): number {
  const [first, second] = [a.location?.range.start, b.location?.range.start];
  const lines = (first?.line ?? 0) - (second?.line ?? 0);
  return lines || (a.message < b.message ? -1 : a.message > b.message ? 1 : 0);
}
