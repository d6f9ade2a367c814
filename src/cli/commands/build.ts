import type { BuildRequest, BuildResult } from '../../backends/index.ts';
import { type Call, parseCall } from '../call/parse-call.ts';
import { type CommandContext, defineCommand } from '../command.ts';
import type { OptionValues } from '../options/option-table.ts';
import { usage } from '../options/values.ts';
import { chooseMode, openProgress } from '../progress/choose-progress.ts';
import { advisePlain } from '../report/advise-plain.ts';
import { toBuildMetadata } from '../report/build-metadata.ts';
import { formatCacheReport } from '../report/format-cache-report.ts';
import { formatPlan } from '../report/format-plan.ts';
import { formatResult, resultId } from '../report/format-result.ts';
import { writeResultFile } from '../report/write-result-file.ts';
import { createBuildRequest } from '../request/create-request.ts';
import { styleFor } from '../terminal/style.ts';
import { BUILD_OPTIONS, type BuildOptions } from './build-options.ts';

type Values = OptionValues<BuildOptions>;

/** `zlayer build` */
export const buildCommand = defineCommand({
  name: 'build',
  summary: 'Build an image from a Dockerfile',
  details: [
    'PATH is the directory of the build context. A URL is a git repository (https://host/repo.git#branch:directory) or a tar. With "-" standard input is a Dockerfile, or a tar that holds one.',
    "The options are docker build's. What cannot be honoured is refused before the first step runs; nothing is ignored.",
  ],
  positionals: { usage: 'PATH | URL | -', min: 1, max: 1, complete: 'directory' },
  options: BUILD_OPTIONS,
  examples: [
    { text: 'Build the current directory and name the image', line: 'zlayer build -t app:1.0 .' },
    {
      text: 'Another Dockerfile, an ARG, and one stage of several',
      line: 'zlayer build -f deploy/Dockerfile --build-arg VERSION=1.0 --target test .',
    },
    { text: 'Build and push', line: 'zlayer build -t registry.example.com/team/app:1.0 --push .' },
    {
      text: 'A secret that no layer keeps: RUN --mount=type=secret,id=npm',
      line: 'zlayer build --secret id=npm,src=$HOME/.npmrc .',
    },
    { text: 'Why is a step not cached? Ask without running anything', line: 'zlayer build --plan .' },
    { text: 'What is doubtful in the Dockerfile?', line: 'zlayer build --check .' },
    { text: 'The files of the result instead of an image', line: 'zlayer build -o out .' },
    { text: 'A tar that docker load takes', line: 'zlayer build -t app -o type=docker,dest=app.tar .' },
    {
      text: 'A Dockerfile from standard input, without a context',
      line: "printf 'FROM scratch\\nCOPY <<E /e\\nhi\\nE\\n' | zlayer build -",
    },
    {
      text: 'From a branch and a directory of a git repository',
      line: 'zlayer build https://github.com/user/repo.git#main:docker',
    },
  ],
  run: async (context, { values, positionals }) => {
    const call = parseCall(values);
    checkCombinations(values, call);
    const request = await createBuildRequest(context, values, positionals[0]!);
    checkStdout(values, request, context);
    if (call.method !== 'build') return (await import('../call/run-call.ts')).runCall(context, call, request);
    if (values.plan) return runPlan(context, values, request);
    return runBuild(context, values, request);
  },
});

function checkCombinations(values: Values, { method }: Call): void {
  if (values.quiet && values.progress !== undefined && values.progress !== 'quiet') {
    throw usage(`--quiet and --progress=${values.progress} contradict each other.`, 'Leave one out.');
  }
  const loads = values.load !== undefined && values.load !== 'false';
  if (values.plan && (values.push || loads)) throw usage('--plan runs nothing, so it can neither push nor load.');
  if (method !== 'build' && (values.plan || values.push || loads)) {
    throw usage(`--call=${method} only reads the Dockerfile: it cannot plan, push or load.`, 'Leave one out.');
  }
}

/** Standard output takes one thing, and a terminal no archive. */
function checkStdout(values: Values, request: BuildRequest, { stdout }: CommandContext): void {
  if (!writesToStdout(request)) return;
  if (stdout.isTerminal) {
    throw usage('The output would go to a terminal.', 'Redirect standard output, or name a file with dest=FILE.');
  }
  if (values.quiet || values.progress === 'quiet' || values.format !== undefined) {
    throw usage('Standard output cannot take both the output and the image id.', 'Use --iidfile or --metadata-file.');
  }
}

function writesToStdout({ outputs = [] }: BuildRequest): boolean {
  return outputs.some((output) => 'destination' in output && output.destination === '-');
}

async function runPlan(context: CommandContext, values: Values, request: BuildRequest): Promise<undefined> {
  const progress = openProgress(context, values.quiet ? 'quiet' : (values.progress ?? 'quiet'));
  try {
    const plan = await context.services.plan(request, { signal: context.signal, onEvent: progress.onEvent });
    progress.close();
    if (values.format === 'json') context.stdout.write(`${JSON.stringify(plan, null, 2)}\n`);
    else {
      const style = styleFor(context.stdout, context.env);
      context.stdout.write(values['explain-cache'] ? formatCacheReport(plan.steps, style) : formatPlan(plan, style));
    }
  } finally {
    progress.close();
  }
  return undefined;
}

async function runBuild(context: CommandContext, values: Values, request: BuildRequest): Promise<undefined> {
  const mode = chooseMode(context, values.quiet ? 'quiet' : values.progress);
  const progress = openProgress(context, mode);
  try {
    const result = await context.services.build(request, { signal: context.signal, onEvent: progress.onEvent });
    progress.close();
    writeFiles(context, values, result);
    if (values['explain-cache'] && mode !== 'rawjson') {
      context.stderr.write(formatCacheReport(result.steps, styleFor(context.stderr, context.env)));
    }
    printResult(context, { mode, format: values.format }, { request, result });
  } catch (thrown) {
    throw progress.showsWholeOutput ? thrown : advisePlain(thrown);
  } finally {
    progress.close();
  }
  return undefined;
}

interface Built {
  readonly request: BuildRequest;
  readonly result: BuildResult;
}

function writeFiles({ cwd }: CommandContext, values: Values, result: BuildResult): void {
  if (values.iidfile !== undefined) writeResultFile(values.iidfile, resultId(result), { cwd, option: '--iidfile' });
  if (values['metadata-file'] === undefined) return;
  const text = `${JSON.stringify(toBuildMetadata(result), null, 2)}\n`;
  writeResultFile(values['metadata-file'], text, { cwd, option: '--metadata-file' });
}

function printResult(
  context: CommandContext,
  { mode, format }: { readonly mode: string; readonly format: string | undefined },
  { request, result }: Built,
): void {
  if (format === 'json') context.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
  else if (mode === 'quiet' && !writesToStdout(request)) context.stdout.write(`${resultId(result)}\n`);
  if (format === 'json' || mode === 'quiet' || mode === 'rawjson') return;
  context.stderr.write(formatResult(result, request.outputs ?? [], styleFor(context.stderr, context.env)));
}
