import * as fs from 'node:fs';
import { dirname, join } from 'node:path';
import { Script } from 'node:vm';
import type { CodeCache, CompiledCode } from './code-cache.ts';

type Require = (specifier: string) => unknown;
type ModuleFunction = (...scope: readonly [{ exports: unknown }, unknown, Require, string, string]) => void;

interface LoadedModule {
  readonly module: { exports: unknown };
  readonly script: Script;
  /** What the code is kept under: changes when the file does. */
  readonly name: string;
  /** V8 took what the cache had of it. */
  readonly isCached: boolean;
}

/** Loads the command's CommonJS modules (`tools/bundle.mjs` makes them) with what V8 compiled in earlier runs. */
export interface ModuleLoader {
  /** @param path relative to the command's directory. */
  load(path: string): unknown;
  /** Keeps what this process compiled and the cache did not have. */
  save(): void;
}

export interface ModuleLoaderDeps {
  /** The command's directory. */
  readonly directory: string;
  readonly cache: CodeCache | undefined;
  /** What the code depends on beside the files: versions, command, flags. */
  readonly key: string;
  /** For Node's own modules. */
  readonly require: Require;
}

export function createModuleLoader(deps: ModuleLoaderDeps): ModuleLoader {
  const { cache, key } = deps;
  const compiled = cache?.read(key);
  const modules = new Map<string, LoadedModule>();
  const load = (path: string): unknown => {
    const known = modules.get(path);
    if (known !== undefined) return known.module.exports;
    const filename = join(deps.directory, path);
    const made = compile(filename, compiled?.code);
    modules.set(path, made);
    const { module, script } = made;
    const require: Require = (name) => (name.startsWith('.') ? load(join(dirname(path), name)) : deps.require(name));
    const run = script.runInThisContext() as ModuleFunction;
    run(module, module.exports, require, filename, dirname(filename));
    return module.exports;
  };
  const save = (): void => {
    const loaded = [...modules.values()];
    if (cache === undefined || (compiled?.isFresh === true && loaded.every(({ isCached }) => isCached))) return;
    cache.write(key, new Map([...(compiled?.code ?? []), ...loaded.map(codeOf)]));
  };
  return { load, save };
}

const WRAPPER = '(module,exports,require,__filename,__dirname)=>{';

/** A module is ASCII: read as Latin-1, nothing is decoded. */
function compile(filename: string, code: CompiledCode['code'] | undefined): LoadedModule {
  const file = fs.openSync(filename, 'r');
  try {
    const { size, mtimeMs } = fs.fstatSync(file);
    const name = `${filename} ${size} ${mtimeMs}`;
    const cachedData = code?.get(name);
    const script = new Script(`${WRAPPER}${fs.readFileSync(file, 'latin1')}\n}`, {
      filename,
      columnOffset: -WRAPPER.length,
      ...(cachedData === undefined ? {} : { cachedData }),
    });
    const isCached = cachedData !== undefined && script.cachedDataRejected !== true;
    return { module: { exports: {} }, script, name, isCached };
  } finally {
    fs.closeSync(file);
  }
}

/** V8 writes the functions that it took from the cache as well as those that this run compiled. */
function codeOf({ name, script }: LoadedModule): readonly [string, Buffer] {
  return [name, script.createCachedData()];
}
