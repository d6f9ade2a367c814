import { openCodeCache } from './start/code-cache.ts';
import { createModuleLoader, type ModuleLoader } from './start/load-modules.ts';
import { VERSION } from './version.ts';

declare const ZLAYER_MODULES_DIGEST: string | undefined;

/** After longer runs V8 has dropped code that it saw no use of, and what a start costs matters little. */
const MAX_SAVING_SECONDS = 20;

/** The program: reads `process.argv`, sets the exit status. Loads nothing for `--version`. A CommonJS bundle. */
async function main(): Promise<void> {
  const args = argumentsOf(process.argv);
  if (args.length === 1 && (args[0] === '--version' || args[0] === '-v')) {
    process.stdout.write(`zlayer ${VERSION}\n`);
    return;
  }
  const modules = createLoader(args);
  const { runProcess } = modules.load('command/run-process.cjs') as typeof import('./run-process.ts');
  await runProcess(args);
  if (process.exitCode === 0 && process.uptime() < MAX_SAVING_SECONDS) modules.save();
  // Kept-alive connections and worker threads must not hold up the shell.
  process.exit();
}

/** Called as `zlayer-buildd`, the program is its daemon: other clients of the protocol start it by that name. */
function argumentsOf([, program = '', ...args]: readonly string[]): readonly string[] {
  return /(?:^|[\\/])zlayer-buildd$/.test(program) ? ['buildd', ...args] : args;
}

/** Every command has code of its own in the cache, so that a start reads little that it does not use. */
function createLoader(args: readonly string[]): ModuleLoader {
  const verb = args.find((arg) => !arg.startsWith('-')) ?? 'help';
  const { version, arch, platform, execArgv, env } = process;
  const key = [VERSION, ZLAYER_MODULES_DIGEST, verb, version, arch, platform, ...execArgv, env.NODE_OPTIONS].join(' ');
  const pack = 'command/build.pack.cjs';
  return createModuleLoader({ directory: __dirname, pack, cache: openCodeCache(env), key, require });
}

void main();
