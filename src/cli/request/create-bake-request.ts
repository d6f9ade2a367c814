import type { BakeRequest, BakeTargetRequest } from '../../backends/index.ts';
import type { BakeSelection, BakeTarget } from '../../bake/index.ts';
import { BuildError, isBuildError } from '../../core/index.ts';
import type { CommandContext } from '../command.ts';
import { BUILD_OPTIONS } from '../commands/build-options.ts';
import { parseOptions } from '../options/parse-options.ts';
import { createBuildRequest } from './create-request.ts';
import { toBuildArguments } from './target-arguments.ts';

/** What is asked of every target, beside what its file says. */
export interface BakeWishes {
  readonly push: boolean;
  readonly noCache: boolean;
  readonly pull: boolean;
  /** Arguments of `zlayer build`, such as `--allow=…`. */
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
    const push = wishes.push && !linked.has(name);
    requests[name] = await createTargetRequest(context, { name, target }, { ...wishes, push }).catch(inTarget(name));
  }
  return requests;
}

async function createTargetRequest(
  context: CommandContext,
  { name, target }: { readonly name: string; readonly target: BakeTarget },
  { push, noCache, pull, more }: BakeWishes,
): Promise<BakeTargetRequest> {
  const common = [
    ...(push ? ['--push'] : []),
    ...(noCache ? ['--no-cache'] : []),
    ...(pull ? ['--pull'] : []),
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
