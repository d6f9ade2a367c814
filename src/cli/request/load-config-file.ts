import { dirname } from 'node:path';
import { pathToFileURL } from 'node:url';
import {
  type BakeConfig,
  type BakeFile,
  type ConfigContext,
  type ConfigExport,
  parseJsonFile,
} from '../../bake/index.ts';
import { BuildError, isBuildError, type SourceLocation } from '../../core/index.ts';
import { packageExports } from './package-exports.ts';

/** A config file, by its absolute path and what it is called in messages. */
export interface ConfigSource extends BakeFile {
  readonly path: string;
}

/** Files whose exported value is a config. `zlayer.config.json` is the value itself. */
export function isConfigFile(name: string): boolean {
  return /\.[cm]?[jt]s$/i.test(name) || /(?:^|[\\/])zlayer\.config\.json$/i.test(name);
}

/**
 * Runs a config file, or reads it where it is JSON, and gives the config that it exports. TypeScript is taken as written, with its
 * types left out unchecked; what the file imports may be TypeScript too, and `zlayer-builder` is this very package.
 *
 * @throws BuildError `BAKE_INVALID` with the file and the line.
 */
export async function loadConfigFile(source: ConfigSource, context: ConfigContext): Promise<unknown> {
  if (/\.json$/i.test(source.fileName)) return parseJsonFile(source);
  try {
    const exported = (await importFile(source.path)) as ConfigExport | undefined;
    const config: BakeConfig | undefined = typeof exported === 'function' ? await exported(context) : exported;
    if (config !== undefined) return config;
  } catch (thrown) {
    if (isBuildError(thrown)) throw thrown;
    throw failure(source, thrown);
  }
  throw new BuildError('BAKE_INVALID', `${source.fileName} has no default export.`, {
    hint: 'Write `export default defineConfig({ targets: { … } })`.',
  });
}

/** Node 20 cannot run TypeScript, so jiti takes the types away. Nothing is kept on disk. */
async function importFile(path: string): Promise<unknown> {
  const { createJiti } = await import('jiti/static');
  const jiti = createJiti(pathToFileURL(dirname(path)).href, {
    fsCache: false,
    moduleCache: false,
    interopDefault: false,
    virtualModules: { 'zlayer-builder': await packageExports() },
  });
  const module = await jiti.import<{ readonly default?: unknown }>(path);
  return module.default;
}

function failure(source: ConfigSource, thrown: unknown): BuildError {
  const { path, fileName, text } = source;
  const error = thrown instanceof Error ? thrown : new Error(String(thrown));
  const position = positionIn(source, error);
  const [message = ''] = error.message.split('\n');
  const place = position ?? { line: 1, column: 1 };
  const location: SourceLocation = {
    fileName,
    text,
    range: { start: place, end: { line: place.line, column: place.column + 1 } },
  };
  // What is wrong may stand in a file that this one imports; that one is named in the message.
  const shown = message
    .replaceAll(path, fileName)
    .replaceAll(`${dirname(path)}/`, '')
    .trim();
  return new BuildError('BAKE_INVALID', `${fileName} cannot be run: ${shown}`, { location, cause: error });
}

type Position = SourceLocation['range']['start'];

/**
 * Where the file itself was when it failed. A syntax error says it in its message, with a column that counts from 0; others in
 * their stack, where only the line is that of the file as it was written.
 */
function positionIn({ path, text }: ConfigSource, { message, stack = '' }: Error): Position | undefined {
  const said = placeAfter(path, message);
  if (said !== undefined) return { line: said.line, column: said.column + 1 };
  const passed = placeAfter(path, stack);
  if (passed === undefined) return undefined;
  const line = text.split('\n')[passed.line - 1] ?? '';
  return { line: passed.line, column: line.length - line.trimStart().length + 1 };
}

function placeAfter(path: string, text: string): Position | undefined {
  const at = text.indexOf(`${path}:`);
  const [, line, column] = at < 0 ? [] : (/^:(\d+):(\d+)/.exec(text.slice(at + path.length)) ?? []);
  return line === undefined || column === undefined ? undefined : { line: Number(line), column: Number(column) };
}
