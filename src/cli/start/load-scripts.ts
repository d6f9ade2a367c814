import * as fs from 'node:fs';
import { join } from 'node:path';
import { Script } from 'node:vm';
import type { CodeCache } from './code-cache.ts';

type Require = (specifier: string) => unknown;

/** A module of a script: made when it is first asked for. */
type Chunk = (module: { exports: unknown }, exports: unknown, require: Require, lazy: typeof memoized) => void;

interface LoadedScript {
  readonly script: Script;
  readonly key: string;
  readonly chunks: Readonly<Record<string, Chunk>>;
  /** Chunks that the cache has code of; undefined when it had nothing that V8 took. */
  readonly cachedChunks: ReadonlySet<string> | undefined;
  readonly usedChunks: Map<string, { exports: unknown }>;
}

/** The scripts of the command (`tools/bundle.mjs` makes them), compiled with what is kept of earlier compilations. */
export interface ScriptLoader {
  /** The exports of a module of `command.cjs`. */
  load(chunk: string): unknown;
  /** Keeps what this process compiled and the cache did not have. */
  save(): void;
}

export interface ScriptLoaderDeps {
  /** Where `command.cjs` and `libraries/` are. */
  readonly directory: string;
  readonly cache: CodeCache | undefined;
  /** What the code depends on beside the script: version, command, flags. */
  readonly key: string;
  /** For Node's own modules. */
  readonly require: Require;
}

const COMMAND = 'command.cjs';
const LIBRARY = 'library:';
/** `module.exports` of a script is its table of chunks. */
const WRAPPER = ['(module)=>{', '\n}'] as const;

export function createScriptLoader(deps: ScriptLoaderDeps): ScriptLoader {
  const scripts = new Map<string, LoadedScript>();
  const requireChunk = (file: string, name: string): unknown => {
    const script = scripts.get(file) ?? loadScript(deps, file);
    scripts.set(file, script);
    const known = script.usedChunks.get(name);
    if (known !== undefined) return known.exports;
    const module = { exports: {} };
    script.usedChunks.set(name, module);
    script.chunks[name]?.(module, module.exports, (specifier) => requireFrom(file, specifier), memoized);
    return module.exports;
  };
  /** `library:NAME` is a script of its own, `./NAME.js` another chunk of the same build, the rest is Node's. */
  const requireFrom = (file: string, specifier: string): unknown => {
    const library = specifier.startsWith(LIBRARY) ? specifier.slice(LIBRARY.length) : undefined;
    if (library !== undefined) return requireChunk(libraryFile(library), library);
    if (!specifier.startsWith('./')) return deps.require(specifier);
    const name = specifier.slice(2, -'.js'.length);
    return requireChunk(file === COMMAND ? file : libraryFile(name), name);
  };
  return {
    load: (chunk) => requireChunk(COMMAND, chunk),
    save: () => {
      for (const script of scripts.values()) saveScript(deps, script);
    },
  };
}

/** The result of `load`, which runs when it is first asked for. */
function memoized<T>(load: () => T): () => T {
  let loaded: { readonly value: T } | undefined;
  return () => (loaded ??= { value: load() }).value;
}

const libraryFile = (name: string): string => join('libraries', `${name}.cjs`);

function loadScript({ directory, cache, key: common }: ScriptLoaderDeps, file: string): LoadedScript {
  const filename = join(directory, file);
  const { text, stamp } = readScript(filename);
  const key = `${common} ${file} ${stamp}`;
  const cached = cache?.read(key);
  const script = new Script(`${WRAPPER[0]}${text}${WRAPPER[1]}`, {
    filename,
    columnOffset: -WRAPPER[0].length,
    ...(cached === undefined ? {} : { cachedData: cached.code }),
  });
  const module: { exports: Readonly<Record<string, Chunk>> } = { exports: {} };
  script.runInThisContext()(module);
  const isUsed = cached !== undefined && script.cachedDataRejected !== true;
  return {
    script,
    key,
    chunks: module.exports,
    cachedChunks: isUsed ? new Set(cached.chunks) : undefined,
    usedChunks: new Map(),
  };
}

/** A script is ASCII: read as Latin-1, nothing is decoded. Its stamp tells one that was changed in place. */
function readScript(filename: string): { readonly text: string; readonly stamp: string } {
  const file = fs.openSync(filename, 'r');
  try {
    const { size, mtimeMs } = fs.fstatSync(file);
    return { text: fs.readFileSync(file, 'latin1'), stamp: `${size} ${mtimeMs}` };
  } finally {
    fs.closeSync(file);
  }
}

function saveScript({ cache }: ScriptLoaderDeps, { script, key, cachedChunks, usedChunks }: LoadedScript): void {
  const used = [...usedChunks.keys()];
  if (cache === undefined || (cachedChunks !== undefined && used.every((name) => cachedChunks.has(name)))) return;
  // V8 writes the functions that it took from the cache as well as those that this run compiled.
  cache.write(key, { code: script.createCachedData(), chunks: [...new Set([...(cachedChunks ?? []), ...used])] });
}
