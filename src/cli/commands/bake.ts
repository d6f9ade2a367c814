import type { BuildRequest } from '../../backends/index.ts';
import {
  type BakeProject,
  type BakeTarget,
  loadBake,
  parseOverride,
  printSelection,
  selectTargets,
  targetsNeededBy,
} from '../../bake/index.ts';
import { BuildError, exitCodeOf, formatPlatform, platformOfHost, toBuildError } from '../../core/index.ts';
import { type CommandContext, defineCommand } from '../command.ts';
import type { OptionValues } from '../options/option-table.ts';
import { parseOptions } from '../options/parse-options.ts';
import { splitPair, usage } from '../options/values.ts';
import { chooseMode, openProgress } from '../progress/choose-progress.ts';
import { advisePlain } from '../report/advise-plain.ts';
import { toBuildMetadata } from '../report/build-metadata.ts';
import { type BakeOutcome, formatBake } from '../report/format-bake.ts';
import { formatError } from '../report/format-error.ts';
import { formatTable } from '../report/format-table.ts';
import { writeResultFile } from '../report/write-result-file.ts';
import { createBuildRequest } from '../request/create-request.ts';
import { loadBakeFiles } from '../request/load-bake-files.ts';
import { toBuildArguments } from '../request/target-arguments.ts';
import { styleFor } from '../terminal/style.ts';
import { BAKE_OPTIONS, type BakeOptions } from './bake-options.ts';
import { BUILD_OPTIONS } from './build-options.ts';

type Values = OptionValues<BakeOptions>;

/** `zlayer bake` */
export const bakeCommand = defineCommand({
  name: 'bake',
  summary: 'Build the images that a bake or compose file describes',
  details: [
    'TARGET is a target or a group; by default the group "default", else every target. Without -f all of compose.yaml, docker-bake.json and docker-bake.hcl that are there are read, and their overrides.',
    'Targets that others need through contexts ("target:NAME") are built first; what several targets share is built once.',
  ],
  positionals: { usage: '[TARGET...]', min: 0, max: Number.POSITIVE_INFINITY },
  options: BAKE_OPTIONS,
  examples: [
    { text: 'Build the default group', line: 'zlayer bake' },
    { text: 'What would be built, with another value of a variable', line: 'TAG=2.0 zlayer bake --print' },
    {
      text: 'One target, for another platform, and push it',
      line: 'zlayer bake --set app.platforms=linux/arm64 --push app',
    },
    { text: 'The images of a compose file', line: 'zlayer bake -f compose.yaml' },
  ],
  run: async (context, { values, positionals }) => {
    const project = loadBake(await loadBakeFiles(context, values.file), {
      env: { ...context.env, ...parseVariables(values.var) },
      nowMs: context.now,
      homeDir: context.env.HOME,
      localPlatform: formatPlatform(platformOfHost('linux', process.arch)),
    });
    if (values.list !== undefined) return listProject(context, project, values.list);
    const selection = selectTargets(project, positionals, values.set.map(parseOverride));
    if (values.print) {
      context.stdout.write(printSelection(selection));
      return undefined;
    }
    return buildAll(context, values, selection.targets);
  },
});

function parseVariables(texts: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(
    texts.map((text) => {
      const { name, value } = splitPair(text);
      if (name === '' || value === undefined) throw usage(`--var takes NAME=VALUE, not "${text}".`);
      return [name, value] as const;
    }),
  );
}

function listProject({ stdout }: CommandContext, project: BakeProject, what: string): undefined {
  if (what === 'variables') {
    const rows = project.variables.map(({ name, value = '', description = '' }) => [name, value, description]);
    stdout.write(formatTable(['VARIABLE', 'VALUE', 'DESCRIPTION'], rows));
    return undefined;
  }
  const groups = [...project.groups].map(([name, { targets, description = '' }]) => [
    name,
    `group: ${targets.join(', ')}`,
    description,
  ]);
  const targets = [...project.targets].map(([name, { description = '' }]) => [name, 'target', description]);
  stdout.write(formatTable(['NAME', 'KIND', 'DESCRIPTION'], [...groups, ...targets]));
  return undefined;
}

async function buildAll(
  context: CommandContext,
  values: Values,
  targets: ReadonlyMap<string, BakeTarget>,
): Promise<number> {
  const outcomes = new Map<string, BakeOutcome>();
  // Everything is read and checked before the first target is built.
  const requests = new Map<string, BuildRequest>();
  for (const [name, target] of targets)
    requests.set(name, await createRequest(context, values, { target, imageOf: PENDING }));
  for (const [name, target] of targets) {
    const outcome = await buildOne(context, values, { name, target, outcomes });
    outcomes.set(name, outcome);
    if (outcome.kind === 'failed' && (!values['keep-going'] || outcome.error.code === 'CANCELLED')) break;
  }
  if (values['metadata-file'] !== undefined) writeMetadata(context, values['metadata-file'], outcomes);
  const style = styleFor(context.stderr, context.env);
  context.stderr.write(`\n${formatBake([...targets.keys()], outcomes, style)}`);
  const failed = [...outcomes.values()].find((outcome) => outcome.kind === 'failed');
  return failed?.kind === 'failed' ? exitCodeOf(failed.error.kind) : 0;
}

/** Stands for the image of a target that is not built yet, while requests are only checked. */
const PENDING = (): string => 'docker-image://localhost/bake';

interface Building {
  readonly name: string;
  readonly target: BakeTarget;
  readonly outcomes: ReadonlyMap<string, BakeOutcome>;
}

async function buildOne(
  context: CommandContext,
  values: Values,
  { name, target, outcomes }: Building,
): Promise<BakeOutcome> {
  const needed = targetsNeededBy(target);
  const missing = needed.find((each) => outcomes.get(each)?.kind !== 'built');
  if (missing !== undefined) return { kind: 'skipped', because: missing };
  const mode = chooseMode(context, values.progress);
  const style = styleFor(context.stderr, context.env);
  if (mode !== 'quiet' && mode !== 'rawjson') context.stderr.write(`${style.bold(name)}\n`);
  const progress = openProgress(context, mode);
  try {
    const request = await createRequest(context, values, {
      target,
      imageOf: (each) => imageOf(each, outcomes.get(each)),
    });
    const result = await context.services.build(request, { signal: context.signal, onEvent: progress.onEvent });
    return { kind: 'built', request, result };
  } catch (thrown) {
    progress.close();
    const error = toBuildError(progress.showsWholeOutput ? thrown : advisePlain(thrown));
    context.stderr.write(formatError(error, { columns: context.stderr.columns() ?? 80, style }));
    return { kind: 'failed', error };
  } finally {
    progress.close();
  }
}

/** The image of a target, by its digest: it need not have a name. */
function imageOf(name: string, outcome: BakeOutcome | undefined): string {
  if (outcome?.kind !== 'built') throw new BuildError('INTERNAL', `The target ${name} is not built.`);
  return `docker-image://localhost/bake@${outcome.result.digest}`;
}

async function createRequest(
  context: CommandContext,
  values: Values,
  { target, imageOf }: { readonly target: BakeTarget; readonly imageOf: (target: string) => string },
): Promise<BuildRequest> {
  const common = [
    ...(values.push ? ['--push'] : []),
    ...(values['no-cache'] ? ['--no-cache'] : []),
    ...(values.pull ? ['--pull'] : []),
    ...(values.backend === undefined ? [] : [`--backend=${values.backend}`]),
    ...(values['data-dir'] === undefined ? [] : [`--data-dir=${values['data-dir']}`]),
  ];
  const options = parseOptions(BUILD_OPTIONS, [...common, ...toBuildArguments(target, imageOf)]);
  const request = await createBuildRequest(context, options.values, options.positionals[0]!);
  const text = target['dockerfile-inline'];
  return text === undefined
    ? request
    : { ...request, dockerfile: { kind: 'text', text, fileName: 'dockerfile-inline' } };
}

function writeMetadata({ cwd }: CommandContext, path: string, outcomes: ReadonlyMap<string, BakeOutcome>): void {
  const documents = [...outcomes].flatMap(([name, outcome]) =>
    outcome.kind === 'built' ? [[name, toBuildMetadata(outcome.result, outcome.request.annotations)] as const] : [],
  );
  const text = `${JSON.stringify(Object.fromEntries(documents), null, 2)}\n`;
  writeResultFile(path, text, { cwd, option: '--metadata-file' });
}
