import type { BuildRequest } from '../../backends/index.ts';
import { exitCodeOf } from '../../core/index.ts';
import type { CommandContext } from '../command.ts';
import { formatJson } from '../report/format-table.ts';
import { styleFor } from '../terminal/style.ts';
import { checkDocument, formatCheck } from './format-check.ts';
import { formatOutline, formatTargets, outlineDocument, targetsDocument } from './format-outline.ts';
import type { Call } from './parse-call.ts';

/**
 * Reads the Dockerfile of a request in place of building it, and prints what was asked for. The exit status is 1 when a
 * check has found something that is more than advice, or the status of what a build would fail with.
 */
export async function runCall(
  context: CommandContext,
  { method, format }: Call,
  request: BuildRequest,
): Promise<number> {
  const { services, stdout, signal } = context;
  const observed = { signal, onEvent: () => undefined };
  const style = styleFor(stdout, context.env);
  if (method === 'targets') {
    const targets = await services.targets(request, observed);
    stdout.write(format === 'json' ? formatJson(targetsDocument(targets)) : formatTargets(targets));
    return 0;
  }
  if (method === 'outline') {
    const outline = await services.outline(request, observed);
    stdout.write(format === 'json' ? formatJson(outlineDocument(outline)) : formatOutline(outline, style));
    return 0;
  }
  const result = await services.check(request, observed);
  stdout.write(format === 'json' ? formatJson(checkDocument(result)) : formatCheck(result, style));
  if (result.error !== undefined) {
    if (format === 'text') throw result.error;
    return exitCodeOf(result.error.kind);
  }
  return result.findings.some(({ severity }) => severity === 'warning') ? 1 : 0;
}
