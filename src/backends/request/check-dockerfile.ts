import { BuildError, type Platform, type RunContext } from '../../core/index.ts';
import { type LintFinding, type LintResult, lintDockerfile } from '../../dockerfile/index.ts';
import { contextNamed, type NamedContext, platformArgs } from '../../graph/index.ts';
import type { ImageConfig } from '../../oci/index.ts';
import type { LoadedRequest } from '../types.ts';

/** What is known beyond the request. */
export interface CheckFacts {
  /** The platform to build for, and that of this host. */
  readonly platform: Platform;
  readonly hostPlatform: Platform;
  /** Base images by their names as FROM writes them, expanded. What is not here is not known. */
  readonly images: ReadonlyMap<string, KnownImage>;
  readonly contexts: ReadonlyMap<string, NamedContext>;
}

/** A base image, and the platform that it was asked for. */
export interface KnownImage {
  readonly config: ImageConfig;
  readonly wanted: Platform;
}

/** The build checks over a request, with everything that is known of it. @throws BuildError `DOCKERFILE_INVALID` */
export function checkDockerfile({ request, dockerfile, context }: LoadedRequest, facts: CheckFacts): LintResult {
  const { platform, hostPlatform, images, contexts } = facts;
  return lintDockerfile(dockerfile, {
    buildArgs: request.buildArgs ?? {},
    platformArgs: platformArgs(platform, hostPlatform, request.target ?? 'default'),
    secrets: Object.keys(request.secrets ?? {}),
    isContext: (name) => contextNamed(contexts, name, platform) !== undefined,
    variablesOfImage: (image) => variablesOf(images.get(image)?.config),
    platformOfImage: (image) => {
      const known = images.get(image);
      return known === undefined ? undefined : { actual: toPlatform(known.config), wanted: known.wanted };
    },
    ...(context.ignore === undefined ? {} : { ignore: context.ignore }),
    ...(request.target === undefined ? {} : { target: request.target }),
  });
}

/** None for an image that sets nothing, undefined for one that is not known. */
function variablesOf(image: ImageConfig | undefined): readonly string[] | undefined {
  return image === undefined ? undefined : (image.config?.Env ?? []).map((text) => text.split('=', 1)[0]!);
}

function toPlatform({ os, architecture, variant }: ImageConfig): Platform {
  return { os, architecture, ...(variant === undefined ? {} : { variant }) };
}

/** Tells of findings as warnings of a build, whose code is the rule's name. */
export function warnOfFindings({ findings }: LintResult, { emit }: RunContext): void {
  for (const { rule, message, hint, page, location } of findings) {
    emit({
      kind: 'warning',
      time: Date.now(),
      code: rule,
      message,
      hint: [hint, `See ${page}.`].filter((text) => text !== undefined).join(' '),
      ...(location === undefined ? {} : { location }),
    });
  }
}

/** Refuses what a file with `check=error=true` must not have. @throws BuildError `CHECK_FAILED`, at the first of it. */
export function refuseViolations({ findings, violations }: LintResult): void {
  if (violations.length === 0) return;
  const found = findings.filter(({ rule, severity }) => severity === 'warning' && violations.includes(rule));
  throw new BuildError(
    'CHECK_FAILED',
    `The Dockerfile makes findings of its checks errors (check=error=true), and there ${found.length === 1 ? 'is one' : `are ${found.length}`}: ${found.map(nameFinding).join(', ')}.`,
    {
      hint: 'Correct them, or skip a rule: # check=skip=<rules>;error=true. `zlayer build --check` explains each.',
      location: found[0]?.location,
    },
  );
}

function nameFinding({ rule, location }: LintFinding): string {
  return location === undefined ? rule : `${rule} in line ${location.range.start.line}`;
}
