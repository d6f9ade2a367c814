// Bundles of CommonJS scripts, as the command loads them (`src/cli/start/load-scripts.ts`). A script is a table of chunks:
// functions that make a module when it is first asked for. V8 then compiles, and its code cache holds, what a run uses.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { join } from 'node:path';
import { build, transform } from 'esbuild';

const target = 'node20';

/** What a specifier of a library becomes in a chunk of ours; `load-scripts.ts` knows the form. */
const LIBRARY = 'library:';
const isBuiltin = (path) => path.startsWith('node:') || builtinModules.includes(path);

/** Leaves the libraries out of a bundle, and collects which modules of them it asks for. */
function librariesApart(asked) {
  return {
    name: 'libraries-apart',
    setup({ onResolve }) {
      onResolve({ filter: /^[^.]/ }, ({ path, kind }) => {
        if (kind === 'entry-point' || isBuiltin(path)) return undefined;
        asked.add(path);
        return { path: `${LIBRARY}${scriptNameOf(path)}`, external: true };
      });
    },
  };
}

const scriptNameOf = (specifier) => specifier.replace(/^@/, '').replaceAll('/', '-');

/** Bundles an entry with everything but libraries: the text of the script, and the libraries' modules that it asks for. */
export async function bundleScript({ root, entry, define, plugins = [] }) {
  const libraries = new Set();
  const { outputFiles } = await build({
    ...chunked(root),
    entryPoints: { entry },
    define,
    plugins: [...plugins, librariesApart(libraries)],
  });
  return { text: await toScript(outputFiles), libraries: [...libraries].sort() };
}

/**
 * Bundles libraries, a script for each module that is asked for, and one for each part that several of them share.
 * Gives texts by file name. A module has the exports that Node would give it.
 */
export async function bundleLibraries({ root, specifiers }) {
  const folder = join(root, 'node_modules/.cache', `zlayer-libraries-${process.pid}`);
  mkdirSync(folder, { recursive: true });
  try {
    const entryPoints = {};
    for (const specifier of specifiers) {
      const name = scriptNameOf(specifier);
      entryPoints[name] = join(folder, `${name}.mjs`);
      writeFileSync(entryPoints[name], await reexport(specifier));
    }
    if (specifiers.length === 0) return {};
    const { outputFiles } = await build({ ...chunked(root), entryPoints });
    const scripts = outputFiles.map(async (file) => [`${chunkNameOf(file)}.cjs`, await toScript([file])]);
    return Object.fromEntries(await Promise.all(scripts));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A module whose exports are those that Node finds in a library: for a CommonJS one, more than a bundler can see. */
async function reexport(specifier) {
  const names = Object.keys(await import(specifier)).filter((name) => /^[A-Za-z_$][\w$]*$/.test(name));
  const named = names.filter((name) => name !== 'default' && name !== '__esModule');
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
    outdir: join(root, 'chunks'),
    chunkNames: '[name]-[hash]',
    legalComments: 'none',
    logLevel: 'warning',
  };
}

const chunkNameOf = ({ path }) => path.slice(path.lastIndexOf('/') + 1).replace(/\.js$/, '');

/** Modules that Node has loaded itself before a program starts. */
const LOADED_BY_NODE = new Set(['buffer', 'events', 'fs', 'path', 'process', 'timers', 'url', 'util', 'vm']);

/**
 * Has an import of another module of Node wait until it is used: a start that needs nothing of `node:net` or
 * `node:child_process` does not pay for them, wherever they are imported. esbuild gives the imports of a chunk names of
 * their own, that nothing else in it has.
 */
function requireLate(code) {
  let text = code;
  const declared = /\b(import_\w+)=(__toESM\(require\("node:([\w/]+)"\)(?:,1)?\)|require\("node:([\w/]+)"\))/g;
  for (const [declaration, name, load, a, b] of code.matchAll(declared)) {
    if (LOADED_BY_NODE.has(a ?? b)) continue;
    const use = new RegExp(`\\b${name}\\b(?!=)`, 'g');
    text = text.replace(use, `${name}()`).replace(declaration, `${name}=lazy(()=>${load})`);
  }
  return text;
}

/** ES module chunks as one CommonJS script. Its text is ASCII, so that it can be read with no decoding. */
async function toScript(files) {
  const chunks = await Promise.all(
    files.map(async (file) => {
      const { code } = await transform(file.text, {
        target,
        format: 'cjs',
        platform: 'node',
        charset: 'ascii',
        // Our loader has `require` alone, and so needs no hook of Node's module loader.
        supported: { 'dynamic-import': false },
        minifySyntax: true,
        minifyWhitespace: true,
        legalComments: 'none',
        logLevel: 'warning',
      });
      return `${JSON.stringify(chunkNameOf(file))}(module,exports,require,lazy){${requireLate(code)}}`;
    }),
  );
  return `module.exports={${chunks.join(',\n')}};\n`;
}
