import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { machineOf, TRIAL_STATUS, trialProgram } from './trial-program.ts';

/** Why programs of an architecture cannot run in a step here, and what helps. */
export interface EmulationFailure {
  readonly reason: string;
  readonly hint: string;
}

/** Where emulators are registered, as far as this process can see it. */
const REGISTRY = '/proc/sys/fs/binfmt_misc';

/**
 * Whether programs of an architecture run in steps on this host, by itself or by an emulator that is registered: found out by
 * running one. An architecture that is not known is taken for granted.
 */
export async function findEmulation(
  makeTempDir: (prefix: string) => Promise<string>,
  architecture: string,
): Promise<EmulationFailure | undefined> {
  const program = trialProgram(architecture);
  if (program === undefined) return undefined;
  const directory = await makeTempDir('trial');
  const path = join(directory, 'program');
  try {
    writeFileSync(path, program, { mode: 0o700 });
    if ((await exitStatusOf(path)) !== TRIAL_STATUS) return notRegistered(architecture);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
  return isKept(architecture) ? undefined : notKept(architecture);
}

/** Undefined for a program that cannot be started. */
function exitStatusOf(path: string): Promise<number | undefined> {
  return new Promise((resolve) => {
    const child = spawn(path, [], { stdio: 'ignore', env: {} });
    child.once('error', () => resolve(undefined));
    child.once('close', (status) => resolve(status ?? undefined));
  });
}

/** An emulator that is only named is looked for in the step's own root; one that is kept open (`F`) works in every root. */
function isKept(architecture: string): boolean {
  const flags = emulatorFlags(architecture);
  return flags === undefined || flags.includes('F');
}

/** The flags of the emulator for an architecture; undefined where none is to be seen. */
function emulatorFlags(architecture: string): string | undefined {
  for (const name of listNames()) {
    const text = readText(join(REGISTRY, name));
    if (!/^enabled$/m.test(text)) continue;
    const magic = /^magic ([0-9a-f]+)$/m.exec(text)?.[1] ?? '';
    if (machineIn(Buffer.from(magic, 'hex')) === machineOf(architecture))
      return /^flags: ?(\w*)$/m.exec(text)?.[1] ?? '';
  }
  return undefined;
}

/** `e_machine` of the beginning of an ELF file. */
function machineIn(magic: Buffer): number | undefined {
  if (magic.length < 20 || magic.readUInt32BE() !== 0x7f454c46) return undefined;
  return magic[5] === 2 ? magic.readUInt16BE(18) : magic.readUInt16LE(18);
}

function listNames(): readonly string[] {
  try {
    return readdirSync(REGISTRY).filter((name) => name !== 'register' && name !== 'status');
  } catch {
    return [];
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

const INSTALL = 'on Debian and Ubuntu with `apt-get install qemu-user-static`';

/** How qemu calls the architectures that it names otherwise than Go. */
const QEMU_NAMES: Readonly<Record<string, string>> = {
  amd64: 'x86_64',
  '386': 'i386',
  arm64: 'aarch64',
  loong64: 'loongarch64',
};

function notRegistered(architecture: string): EmulationFailure {
  return {
    reason: `no emulator for ${architecture} is registered with the kernel`,
    hint: `Register one, ${howToRegister(architecture)}; or let the step run in a stage FROM --platform=$BUILDPLATFORM.`,
  };
}

/** A package that was installed where nothing could be registered, such as in a container, has left what to write. */
function howToRegister(architecture: string): string {
  const line = `/usr/lib/binfmt.d/qemu-${QEMU_NAMES[architecture] ?? architecture}.conf`;
  if (!existsSync(line)) return `${INSTALL}, else ${byContainer(architecture)}`;
  const mount = existsSync(join(REGISTRY, 'register')) ? '' : `mount -t binfmt_misc binfmt_misc ${REGISTRY} && `;
  return `as root with \`${mount}cat ${line} > ${REGISTRY}/register\``;
}

function notKept(architecture: string): EmulationFailure {
  return {
    reason: `the emulator for ${architecture} is registered without the flag F, so that steps cannot reach it`,
    hint: `Register it with the flag F, ${INSTALL}, else ${byContainer(architecture)}.`,
  };
}

function byContainer(architecture: string): string {
  return `with \`docker run --privileged --rm tonistiigi/binfmt --install ${architecture}\``;
}
