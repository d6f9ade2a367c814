// Bundles of CommonJS modules, as the command loads them (`src/cli/start/load-modules.ts`). A bundle is a folder: a file for
// each entry, for each part that is loaded later, and for each part that several of them share.
import { builtinModules, createRequire } from 'node:module';
import { basename, join } from 'node:path';
import { build, transform } from 'esbuild';

const target = 'node20';
const isBuiltin = (path) => path.startsWith('node:') || builtinModules.includes(path);
const libraryName = (specifier) => specifier.replace(/^@/, '').replaceAll('/', '-');

/** Leaves the libraries out of a bundle, and collects which modules of them it asks for. */
function librariesApart(asked) {
  return {
    name: 'libraries-apart',
    setup({ onResolve }) {
      onResolve({ filter: /^[^.]/ }, ({ path, kind }) => {
        if (kind === 'entry-point' || isBuiltin(path)) return undefined;
        asked.add(path);
        return { path: `../libraries/${libraryName(path)}.cjs`, external: true };
      });
    },
  };
}

/**
 * Bundles entries with everything but libraries. Gives the text of the modules by file name, the libraries' modules
 * that they ask for in `../libraries/`, and for a source file the names of its module and of those that it imports.
 */
export async function bundleModules({ root, entryPoints, define, plugins = [] }) {
  const asked = new Set();
  const options = {
    ...chunked(root),
    entryPoints,
    define,
    plugins: [...plugins, librariesApart(asked)],
    metafile: true,
  };
  const built = await build(options);
  const modulesOf = (source) => modulesBehind(built.metafile.outputs, source);
  return { modules: await toModules(built), libraries: [...asked].sort(), modulesOf };
}

/** The module of a source file that is loaded on its own, and those that it imports, directly or not. */
function modulesBehind(outputs, source) {
  const entry = Object.keys(outputs).find((path) => outputs[path].entryPoint === source);
  const reached = new Set(entry === undefined ? [] : [entry]);
  for (const path of reached) {
    for (const { path: imported, kind } of outputs[path].imports)
      if (kind === 'import-statement' && imported in outputs) reached.add(imported);
  }
  return [...reached].map((path) => basename(path));
}

/** One file of several modules: an object of their functions, as `src/cli/start/load-modules.ts` runs them. */
export function packModules(modules) {
  const wrapped = Object.entries(modules).map(
    ([name, text]) => `${JSON.stringify(name)}:(module,exports,require,__filename,__dirname)=>{${text}\n}`,
  );
  return `({\n${wrapped.join(',\n')}\n})`;
}

/** Bundles the modules of libraries that are asked for. Each has the exports that Node would give it. */
export async function bundleLibraries({ root, specifiers }) {
  if (specifiers.length === 0) return {};
  const exported = await readExports(specifiers);
  const entryPoints = Object.fromEntries(specifiers.map((each) => [libraryName(each), `${REEXPORT}:${each}`]));
  return await toModules(await build({ ...chunked(root), entryPoints, plugins: [reexports(root, exported)] }));
}

const REEXPORT = 'reexport';

/** Entries that are in no file: the checkout may belong to another user. */
function reexports(root, exported) {
  return {
    name: 'reexports',
    setup({ onResolve, onLoad }) {
      onResolve({ filter: new RegExp(`^${REEXPORT}:`) }, ({ path }) => ({
        // An ES module to Node by its name, and so the `default` of a CommonJS library is what Node would give.
        path: `${path.slice(REEXPORT.length + 1)}.mjs`,
        namespace: REEXPORT,
      }));
      onLoad({ filter: /^/, namespace: REEXPORT }, ({ path }) => {
        const specifier = path.slice(0, -'.mjs'.length);
        return { contents: reexport(specifier, exported.get(specifier)), resolveDir: root };
      });
    },
  };
}

/** The names that Node finds in libraries: in a CommonJS one, more than a bundler can see. */
async function readExports(specifiers) {
  const found = new Map();
  const failed = [];
  for (const specifier of specifiers) {
    try {
      found.set(specifier, Object.keys(await import(specifier)));
    } catch {
      failed.push(specifier);
    }
  }
  // One that wants another to be loaded before it, such as a polyfill; `import` would only remember that it failed.
  const require = createRequire(import.meta.url);
  for (const specifier of failed) found.set(specifier, ['default', ...Object.keys(require(specifier))]);
  return found;
}

/** A module that hands on what a library exports. */
function reexport(specifier, names) {
  const named = names.filter((name) => /^(?!default$|__esModule$)[A-Za-z_$][\w$]*$/.test(name));
  return [
    `import * as all from ${JSON.stringify(specifier)};`,
    ...(names.includes('default') ? ['export default all.default;'] : []),
    ...(named.length === 0 ? [] : [`const { ${named.map((name, i) => `${name}: _${i}`).join(', ')} } = all;`]),
    ...named.map((name, i) => `export { _${i} as ${name} };`),
  ].join('\n');
}

function chunked(root) {
  return {
    absWorkingDir: root,
    bundle: true,
    platform: 'node',
    target,
    format: 'esm',
    splitting: true,
    write: false,
    outdir: join(root, 'modules'),
    outExtension: { '.js': '.cjs' },
    chunkNames: '[name]-[hash]',
    legalComments: 'none',
    logLevel: 'warning',
  };
}

async function toModules({ outputFiles }) {
  const modules = outputFiles.map(async ({ path, text }) => [basename(path), await toCommonJs(text)]);
  return Object.fromEntries((await Promise.all(modules)).sort());
}

/** Only esbuild's ES modules can be split; each is then made a CommonJS one. ASCII can be read with no decoding. */
async function toCommonJs(text) {
  const { code } = await transform(text, {
    target,
    format: 'cjs',
    platform: 'node',
    charset: 'ascii',
    // `require` is all that a module gets, and so compiling it needs no hook of Node's module loader.
    supported: { 'dynamic-import': false },
    define: { 'import.meta.url': FILE_URL },
    minifySyntax: true,
    minifyWhitespace: true,
    legalComments: 'none',
    logLevel: 'warning',
    // What libraries write twice is theirs.
    logOverride: { 'duplicate-case': 'silent' },
  });
  const fileUrl = `const ${FILE_URL}=require("node:url").pathToFileURL(__filename).href;`;
  return requireLate(code.includes(FILE_URL) ? fileUrl + code : code);
}

/** What `import.meta.url` becomes. */
const FILE_URL = 'zlayerFileUrl';

/** Modules that Node has loaded itself before a program starts. */
const LOADED_BY_NODE = new Set(['buffer', 'events', 'fs', 'path', 'process', 'timers', 'url', 'util', 'vm']);

/**
 * Has an import of another file, a library or a module of Node wait until it is used: a start that needs nothing of
 * `node:net` or of a parser for another command does not pay for them, wherever they are imported. Nothing of ours works at
 * import time. esbuild gives the imports of a file names of their own, that nothing else in it has; one for effects alone
 * has no name, and does not wait.
 */
function requireLate(code) {
  let text = code;
  const declared = /\b(import_\w+)=(?:__toESM\()?require\("(?:node:)?([^"]+)"\)(?:(?:,1)?\))?(?=[,;])/g;
  for (const [declaration, name, specifier] of code.matchAll(declared)) {
    if (LOADED_BY_NODE.has(specifier)) continue;
    const load = declaration.slice(name.length + 1);
    const use = new RegExp(`\\b${name}\\b(?!=)`, 'g');
    // In parentheses: `new` would take the call for its own.
    text = text.replace(use, `(${name}())`).replace(declaration, () => `${name}=lazy(()=>${load})`);
  }
  return text === code ? code : `const lazy=(load,made)=>()=>made??=load();${text}`;
}
