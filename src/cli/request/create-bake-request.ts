import type { BakeRequest, BakeTargetRequest } from '../../backends/index.ts';
import type { BakeSelection, BakeTarget } from '../../bake/index.ts';
import { BuildError, isBuildError } from '../../core/index.ts';
import type { CommandContext } from '../command.ts';
import { BUILD_OPTIONS } from '../commands/build-options.ts';
import { parseOptions } from '../options/parse-options.ts';
import { type Grants, requireGrants } from './bake-grants.ts';
import { createBuildRequest } from './create-request.ts';
import { toBuildArguments } from './target-arguments.ts';

/** What is asked of every target, beside what its file says. */
export interface BakeWishes {
  readonly push: boolean;
  readonly noCache: boolean;
  readonly pull: boolean;
  readonly grants: Grants;
  /** Kinds of attestations that are left out, whatever the files say: `provenance`, `sbom`. */
  readonly withoutAttestations: readonly string[];
  /** Arguments of `zlayer build`, such as `--load`; not for targets that nobody named. */
  readonly more: readonly string[];
}

/**
 * The requests that the targets of bake files mean.
 *
 * @throws BuildError as `createBuildRequest` does, with the name of the target.
 */
export async function createTargetRequests(
  context: CommandContext,
  { targets, linked }: BakeSelection,
  wishes: BakeWishes,
): Promise<BakeRequest['targets']> {
  const requests: Record<string, BakeTargetRequest> = {};
  for (const [name, target] of targets) {
    const isLinked = linked.has(name);
    const own = { ...wishes, push: wishes.push && !isLinked, more: isLinked ? [] : wishes.more };
    requests[name] = await createTargetRequest(context, { name, target }, own).catch(inTarget(name));
  }
  const asking = [...targets].map(([name, target]) => ({ name, target, request: requests[name]! }));
  requireGrants(asking, wishes.grants, context);
  return requests;
}

/** @throws BuildError `UNSUPPORTED` for a target that is to have attestations. */
function refuseAttestations({ attest = [] }: BakeTarget, without: readonly string[]): void {
  const wanted = attest.find((spec) => {
    const fields = spec.split(',').map((field) => field.trim());
    const [, type = fields[0]!] = /(?:^|,)type=([^,]*)/.exec(spec) ?? [];
    return !fields.includes('disabled=true') && !without.includes(type);
  });
  if (wanted === undefined) return;
  throw new BuildError('UNSUPPORTED', `Attestations are not made, but attest has "${wanted}".`, {
    hint: 'Leave them out with --provenance=false --sbom=false.',
  });
}

async function createTargetRequest(
  context: CommandContext,
  { name, target }: { readonly name: string; readonly target: BakeTarget },
  { push, noCache, pull, grants, withoutAttestations, more }: BakeWishes,
): Promise<BakeTargetRequest> {
  refuseAttestations(target, withoutAttestations);
  const common = [
    ...(push ? ['--push'] : []),
    ...(noCache ? ['--no-cache'] : []),
    ...(pull ? ['--pull'] : []),
    ...grants.rights.map((right) => `--allow=${right}`),
    ...more,
  ];
  const { values, positionals } = parseOptions(BUILD_OPTIONS, [...common, ...toBuildArguments(target)]);
  const request = await createBuildRequest(context, values, positionals[0]!);
  const text = target['dockerfile-inline'];
  return text === undefined
    ? request
    : { ...request, dockerfile: { kind: 'text', text, fileName: `${name}.dockerfile-inline` } };
}

function inTarget(name: string): (error: unknown) => never {
  return (error) => {
    if (!isBuildError(error)) throw error;
    const { code, message, facts, hint, location, cause } = error;
    throw new BuildError(code, `Target ${name}: ${message}`, { facts, hint, location, cause });
  };
}
