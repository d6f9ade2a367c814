import * as fs from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { Script } from 'node:vm';
import type { CodeCache, CompiledCode } from './code-cache.ts';

type Require = (specifier: string) => unknown;
type ModuleFunction = (...scope: readonly [{ exports: unknown }, unknown, Require, string, string]) => void;

type ModuleFunctions = Readonly<Record<string, ModuleFunction>>;

/** A file as V8 took it. */
interface CompiledFile {
  readonly script: Script;
  /** What the code is kept under: changes when the file does. */
  readonly name: string;
  /** V8 took what the cache had of it. */
  readonly isCached: boolean;
}

interface LoadedModule {
  readonly module: { exports: unknown };
  readonly run: ModuleFunction;
  readonly name: string;
  /** The cache has code of a run that used this module. */
  readonly isCached: boolean;
  /** A module of the pack has no code of its own. */
  readonly script: Script | undefined;
}

type LoadedCode = Pick<LoadedModule, 'name' | 'script' | 'isCached'>;

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
  /** The file of several modules that lie beside it: what most runs load is read and compiled at once. */
  readonly pack: string;
  readonly cache: CodeCache | undefined;
  /** What the code depends on beside the files: versions, command, flags. */
  readonly key: string;
  /** For Node's own modules. */
  readonly require: Require;
}

export function createModuleLoader(deps: ModuleLoaderDeps): ModuleLoader {
  const { cache, key } = deps;
  const compiled = cache?.read(key);
  // Runs that need no more than the pack do not read what others compiled beside it.
  let apart: { readonly compiled: CompiledCode | undefined } | undefined;
  const readApart = (): CompiledCode | undefined => {
    apart ??= { compiled: cache?.read(apartKey(key)) };
    return apart.compiled;
  };
  const pack = compileFile(join(deps.directory, deps.pack), compiled?.code, ['', '']);
  const packed = openPack(pack, dirname(deps.pack), compiled?.code);
  const modules = new Map<string, LoadedModule>();
  const load = (path: string): unknown => {
    const known = modules.get(path);
    if (known !== undefined) return known.module.exports;
    const filename = join(deps.directory, path);
    const made = packed(path) ?? compileModule(filename, readApart()?.code);
    modules.set(path, made);
    const { module } = made;
    const require: Require = (name) => (name.startsWith('.') ? load(join(dirname(path), name)) : deps.require(name));
    made.run(module, module.exports, require, filename, dirname(filename));
    return module.exports;
  };
  const keep = (under: string, before: CompiledCode | undefined, loaded: readonly LoadedCode[]): void => {
    if (cache === undefined || loaded.length === 0) return;
    if (before?.isFresh === true && loaded.every(({ isCached }) => isCached)) return;
    cache.write(under, new Map([...(before?.code ?? []), ...loaded.map(codeOf)]), before?.madeMs);
  };
  const save = (): void => {
    const loaded = [...modules.values()];
    const isPacked = ({ script }: LoadedModule): boolean => script === undefined;
    keep(key, compiled, [pack, ...loaded.filter(isPacked)]);
    keep(
      apartKey(key),
      apart?.compiled,
      loaded.filter((module) => !isPacked(module)),
    );
  };
  return { load, save };
}

function apartKey(key: string): string {
  return `${key} apart`;
}

/** Finds modules in the pack by their paths. */
function openPack(
  { script, name, isCached }: CompiledFile,
  folder: string,
  code: CompiledCode['code'] | undefined,
): (path: string) => LoadedModule | undefined {
  const functions = script.runInThisContext() as ModuleFunctions;
  return (path) => {
    const run = dirname(path) === folder ? functions[basename(path)] : undefined;
    if (run === undefined) return undefined;
    const own = `${name} ${basename(path)}`;
    return {
      module: { exports: {} },
      run,
      name: own,
      isCached: isCached && code?.has(own) === true,
      script: undefined,
    };
  };
}

const WRAPPER = ['(module,exports,require,__filename,__dirname)=>{', '\n}'] as const;

function compileModule(filename: string, code: CompiledCode['code'] | undefined): LoadedModule {
  const file = compileFile(filename, code, WRAPPER);
  return { ...file, module: { exports: {} }, run: file.script.runInThisContext() as ModuleFunction };
}

/** A file is ASCII: read as Latin-1, nothing is decoded. */
function compileFile(
  filename: string,
  code: CompiledCode['code'] | undefined,
  [before, after]: readonly [string, string],
): CompiledFile {
  const file = fs.openSync(filename, 'r');
  try {
    const { size, mtimeMs } = fs.fstatSync(file);
    const name = `${filename} ${size} ${mtimeMs}`;
    const cachedData = code?.get(name);
    const script = new Script(`${before}${fs.readFileSync(file, 'latin1')}${after}`, {
      filename,
      columnOffset: -before.length,
      ...(cachedData === undefined ? {} : { cachedData }),
    });
    return { script, name, isCached: cachedData !== undefined && script.cachedDataRejected !== true };
  } finally {
    fs.closeSync(file);
  }
}

const NO_CODE = Buffer.alloc(0);

/** V8 writes the functions that it took from the cache as well as those that this run compiled. */
function codeOf({ name, script }: LoadedCode): readonly [string, Buffer] {
  return [name, script?.createCachedData() ?? NO_CODE];
}
