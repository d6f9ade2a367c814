import type { BakeRequest, BakeResult } from '../../backends/index.ts';
import {
  type BakeOutside,
  type BakeProject,
  type BakeSelection,
  loadBake,
  parseOverride,
  printSelection,
  selectTargets,
} from '../../bake/index.ts';
import { BuildError, exitCodeOf, formatPlatform, platformOfHost, toBuildError } from '../../core/index.ts';
import { parseCall } from '../call/parse-call.ts';
import { runBakeCalls } from '../call/run-bake-calls.ts';
import { type CommandContext, defineCommand } from '../command.ts';
import type { OptionValues } from '../options/option-table.ts';
import { readBackend } from '../options/read-backend.ts';
import { splitPair, usage } from '../options/values.ts';
import { type BakeProgress, openBakeProgress } from '../progress/bake-progress.ts';
import { chooseMode } from '../progress/choose-progress.ts';
import { advisePlain } from '../report/advise-plain.ts';
import { toBuildMetadata } from '../report/build-metadata.ts';
import { bakeDocument, formatBake } from '../report/format-bake.ts';
import { formatError } from '../report/format-error.ts';
import { formatTable } from '../report/format-table.ts';
import { writeResultFile } from '../report/write-result-file.ts';
import { parseGrants } from '../request/bake-grants.ts';
import { createTargetRequests } from '../request/create-bake-request.ts';
import { loadBakeFiles, readEnvFile } from '../request/load-bake-files.ts';
import { styleFor } from '../terminal/style.ts';
import { BAKE_OPTIONS, type BakeOptions } from './bake-options.ts';

type Values = OptionValues<BakeOptions>;

/** `zlayer bake` */
export const bakeCommand = defineCommand({
  name: 'bake',
  summary: 'Build the images that a bake, compose or config file describes',
  details: [
    'TARGET is a target or a group; by default the group "default", else every target. Without -f all of compose.yaml, docker-bake.json, docker-bake.hcl, their overrides and zlayer.config.ts that are there are read, a later one over an earlier.',
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
    const remote = positionals.find((word) => /^(?:https?|git|ssh):\/\/|^git@/.test(word));
    if (remote !== undefined) throw remoteDefinition(remote);
    const outside: BakeOutside = {
      env: { ...context.env, ...parseVariables(values.var) },
      envFile: readEnvFile(context),
      nowMs: context.now,
      homeDir: context.env.HOME,
      localPlatform: formatPlatform(platformOfHost('linux', process.arch)),
    };
    const project = loadBake(await loadBakeFiles(context, values.file, outside), outside);
    if (values.list !== undefined) return listProject(context, project, values.list);
    const selection = selectTargets(project, positionals, values.set.map(parseOverride));
    if (values.print) {
      context.stdout.write(printSelection(selection));
      return undefined;
    }
    return buildAll(context, values, selection);
  },
});

function remoteDefinition(url: string): BuildError {
  return new BuildError('UNSUPPORTED', `Definitions are not read from ${url}: they must be files of this host.`, {
    hint: 'Clone the repository, and run `zlayer bake` in it. A context may be a URL.',
  });
}

function parseVariables(texts: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(
    texts.map((text) => {
      const { name, value } = splitPair(text);
      if (name === '' || value === undefined) throw usage(`--var takes NAME=VALUE, not "${text}".`);
      return [name, value] as const;
    }),
  );
}

/** `targets`, `variables`, or with `type=` and `format=json` as buildx has it. @throws BuildError `USAGE` */
function listProject({ stdout }: CommandContext, project: BakeProject, text: string): undefined {
  const fields = text.split(',').map((field) => (field.includes('=') ? field : `type=${field}`));
  const what = fields.find((field) => field.startsWith('type='))?.slice('type='.length);
  const unknown = fields.find((field) => !/^(?:type=(?:targets|variables)|format=(?:table|json))$/.test(field));
  if (unknown !== undefined || what === undefined) {
    throw usage(`--list takes targets or variables, not "${text}".`, 'Or type=targets,format=json.');
  }
  if (fields.includes('format=json')) {
    const { targets, groups, variables } = project;
    const listed = what === 'variables' ? variables : [...listNames(groups, 'group'), ...listNames(targets, 'target')];
    stdout.write(`${JSON.stringify(listed, null, 2)}\n`);
    return undefined;
  }
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

function listNames(
  named: ReadonlyMap<string, { readonly description?: string }>,
  kind: 'group' | 'target',
): ReadonlyArray<{ readonly name: string; readonly kind: string; readonly description?: string }> {
  return [...named].map(([name, { description }]) => ({
    name,
    kind,
    ...(description === undefined ? {} : { description }),
  }));
}

async function buildAll(context: CommandContext, values: Values, selection: BakeSelection): Promise<number> {
  const request = await createRequest(context, values, selection);
  const call = parseCall({ call: values.call ?? callOf(selection), check: values.check, format: undefined });
  if (call.method !== 'build') return runBakeCalls(context, call, request.targets);
  const mode = chooseMode(context, values.progress);
  const progress = openBakeProgress(context, mode, [...selection.targets.keys()]);
  let result: BakeResult;
  try {
    result = await context.services.bake(request, { signal: context.signal, onEvent: progress.onEvent });
  } finally {
    progress.close();
  }
  if (values['metadata-file'] !== undefined) writeMetadata(context, values['metadata-file'], result);
  if (mode === 'rawjson') context.stderr.write(`${JSON.stringify(bakeDocument(result, context.now()))}\n`);
  else {
    const style = styleFor(context.stderr, context.env);
    for (const text of failuresOf(context, result, progress)) context.stderr.write(`\n${text}`);
    context.stderr.write(`\n${formatBake(result, style)}`);
  }
  return result.failure === undefined ? 0 : exitCodeOf(result.failure.kind);
}

/** What the targets themselves say is to be done with them. @throws BuildError `USAGE` where they differ. */
function callOf({ targets }: BakeSelection): string | undefined {
  const calls = new Set([...targets.values()].map(({ call = 'build' }) => call));
  if (calls.size > 1)
    throw usage(`The targets have different calls: ${[...calls].join(', ')}.`, 'Name them one by one.');
  const [call] = calls;
  return call === 'build' ? undefined : call;
}

async function createRequest(context: CommandContext, values: Values, selection: BakeSelection): Promise<BakeRequest> {
  const attestations = ['provenance', 'sbom'] as const;
  const wanted = attestations.find((kind) => values[kind] === 'true');
  if (wanted !== undefined) {
    throw new BuildError('UNSUPPORTED', `--${wanted} is not supported: attestations are not made.`, {
      hint: `--${wanted}=false leaves them out.`,
    });
  }
  const targets = await createTargetRequests(context, selection, {
    push: values.push,
    noCache: values['no-cache'],
    pull: values.pull,
    grants: parseGrants(values.allow),
    withoutAttestations: attestations.filter((kind) => values[kind] === 'false'),
    more: values.load === undefined ? [] : [`--load=${values.load}`],
  });
  const backend = await readBackend(values.backend);
  const dataDir = values['data-dir'];
  return {
    targets,
    keepGoing: values['keep-going'],
    ...(values.parallelism === undefined ? {} : { parallelism: values.parallelism }),
    ...(backend === undefined ? {} : { backend }),
    ...(dataDir === undefined ? {} : { dataDir }),
  };
}

/** Every failure once: a step that several targets need fails for all of them. */
function failuresOf(
  context: CommandContext,
  { targets }: BakeResult,
  { showsWholeOutput }: Pick<BakeProgress, 'showsWholeOutput'>,
): readonly string[] {
  const style = styleFor(context.stderr, context.env);
  const columns = context.stderr.columns() ?? 80;
  const names = new Map<string, readonly string[]>();
  for (const [name, outcome] of Object.entries(targets)) {
    if (outcome.kind !== 'failed') continue;
    const error = toBuildError(showsWholeOutput ? outcome.error : advisePlain(outcome.error));
    const text = formatError(error, { columns, style });
    names.set(text, [...(names.get(text) ?? []), name]);
  }
  return [...names].map(([text, failed]) => `${style.bold(failed.join(', '))}\n${text}`);
}

function writeMetadata({ cwd }: CommandContext, path: string, { targets }: BakeResult): void {
  const documents = Object.entries(targets).flatMap(([name, outcome]) =>
    outcome.kind === 'built' ? [[name, toBuildMetadata(outcome.result)] as const] : [],
  );
  const text = `${JSON.stringify(Object.fromEntries(documents), null, 2)}\n`;
  writeResultFile(path, text, { cwd, option: '--metadata-file' });
}
