import type { BakeRequest, BakeTargetRequest } from '../../backends/index.ts';
import { type BuildError, exitCodeOf, toBuildError } from '../../core/index.ts';
import type { CommandContext } from '../command.ts';
import { formatError } from '../report/format-error.ts';
import { formatJson } from '../report/format-table.ts';
import { styleFor } from '../terminal/style.ts';
import type { Call } from './parse-call.ts';
import { runCall } from './run-call.ts';

/** `runCall` for every target, under its name; one JSON object by target. The exit status is the first that is not 0. */
export async function runBakeCalls(
  context: CommandContext,
  call: Call,
  targets: BakeRequest['targets'],
): Promise<number> {
  const documents: Record<string, unknown> = {};
  const statuses: number[] = [];
  for (const [name, request] of Object.entries(targets)) {
    const { text, status, error } = await capture(context, call, withoutTargets(request));
    statuses.push(status);
    if (call.format === 'json') documents[name] = text === '' ? {} : (JSON.parse(text) as unknown);
    else context.stdout.write(`${styleFor(context.stdout, context.env).bold(name)}\n${text}\n`);
    if (error !== undefined) showError(context, error);
  }
  if (call.format === 'json') context.stdout.write(formatJson(documents));
  return statuses.find((status) => status !== 0) ?? 0;
}

interface Captured {
  readonly text: string;
  readonly status: number;
  readonly error?: BuildError;
}

async function capture(context: CommandContext, call: Call, request: BakeTargetRequest): Promise<Captured> {
  let text = '';
  const stdout = {
    ...context.stdout,
    write: (piece: string): void => {
      text += piece;
    },
  };
  try {
    const status = await runCall({ ...context, stdout }, call, request);
    return { text, status };
  } catch (thrown) {
    const error = toBuildError(thrown);
    return { text, status: exitCodeOf(error.kind), error };
  }
}

function showError({ stderr, env }: CommandContext, error: BuildError): void {
  stderr.write(`${formatError(error, { columns: stderr.columns() ?? 80, style: styleFor(stderr, env) })}\n`);
}

/** The images of other targets are not there: like images that the store does not have. */
function withoutTargets(request: BakeTargetRequest): BakeTargetRequest {
  if (request.buildContexts === undefined) return request;
  const contexts = Object.entries(request.buildContexts).map(([name, value]) => [
    name,
    value.startsWith('target:') ? 'docker-image://localhost/bake' : value,
  ]);
  return { ...request, buildContexts: Object.fromEntries(contexts) };
}
