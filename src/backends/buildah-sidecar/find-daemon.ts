import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BuildError } from '../../core/index.ts';
import { type Env, variableOf } from '../selection/host-facts.ts';
import type { SidecarConfiguration } from './configuration.ts';

/** A daemon's program, ready to be started. */
export interface DaemonProgram {
  readonly command: string;
  /** Before the daemon's own options. */
  readonly args: readonly string[];
  /** Of this package: knows options beyond those of the first protocol. */
  readonly isOurs: boolean;
}

const NAME = process.platform === 'win32' ? 'zlayer-buildd.exe' : 'zlayer-buildd';
/** Where the command lies, seen from the file that this module is bundled into, and from its source. */
const COMMANDS = ['../zlayer.cjs', './zlayer.cjs', '../../zlayer.cjs', '../../../dist/zlayer.cjs'];

/**
 * Finds the daemon: `ZLAYER_BUILDD_BIN`, `bin/` of the data directory, PATH, else this package's own command.
 *
 * @throws BuildError `USAGE` when `ZLAYER_BUILDD_BIN` is no program, `BACKEND_UNAVAILABLE` when there is none anywhere.
 */
export function findDaemon({ program, dataDir }: SidecarConfiguration, env: Env): DaemonProgram {
  if (program !== undefined) {
    if (isProgram(program)) return { command: program, args: [], isOurs: false };
    throw new BuildError('USAGE', `ZLAYER_BUILDD_BIN has "${program}", which is no program.`, {
      hint: 'Unset it to use the daemon of this package.',
    });
  }
  const path = (variableOf(env, 'PATH') ?? '').split(delimiter).filter((directory) => directory !== '');
  const tried = [join(dataDir, 'bin', NAME), ...path.map((directory) => join(directory, NAME))];
  const found = tried.find(isProgram);
  if (found !== undefined) return { command: found, args: [], isOurs: false };
  const script = COMMANDS.map((place) => fileURLToPath(new URL(place, import.meta.url))).find(isFile);
  if (script !== undefined) return { command: process.execPath, args: [script, 'buildd'], isOurs: true };
  throw new BuildError('BACKEND_UNAVAILABLE', `There is no build daemon: no ${NAME} in ${tried[0]} or in PATH.`, {
    hint: 'Name one with ZLAYER_BUILDD_BIN, or the address of one that runs with ZLAYER_BUILDD_ADDR.',
  });
}

/** A directory of PATH may be one that this user cannot look into. */
function isFile(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false })?.isFile() === true;
  } catch {
    return false;
  }
}

function isProgram(path: string): boolean {
  if (!isFile(path)) return false;
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
