import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BaseName } from './base-images.ts';
import type { Allowance } from './differences.ts';
import { runOk } from './process.ts';

const CASES = new URL('../e2e/cases/', import.meta.url).pathname;

/** `case.json`: what a Dockerfile project needs, and what may differ from the reference. */
interface CaseFile {
  /** What the case shows, in a sentence. */
  readonly about: string;
  readonly bases: readonly BaseName[];
  /** Flags for both builders. */
  readonly flags?: readonly string[];
  readonly secrets?: Readonly<Record<string, string>>;
  /** Images that are built first, for ONBUILD: Dockerfile in the case's folder, by the name that the image gets. */
  readonly before?: Readonly<Record<string, string>>;
  /** Dockerfile for the reference, where buildah lacks a feature and another text must give the same image. */
  readonly referenceFile?: string;
  readonly allow?: readonly Allowance[];
  /** A command that runs in a container of the finished image, and its output. */
  readonly run?: { readonly command: readonly string[]; readonly prints: string };
  /** What only root's build can hold, such as device nodes. */
  readonly rootOnly?: boolean;
}

/** A Dockerfile project, ready to build: the context lies outside the repository, with fixed modes and times. */
export interface PreparedCase extends CaseFile {
  readonly name: string;
  readonly dockerfile: string;
  readonly referenceDockerfile: string;
  readonly context: string;
  /** Files that hold the secrets, by id. */
  readonly secretFiles: Readonly<Record<string, string>>;
  /** Changes with anything in the case's folder. */
  readonly key: string;
}

/** Times of everything in a prepared context, so that what a COPY keeps of them is known. */
export const CONTEXT_TIME = 1_700_000_000;

export function listCases(): readonly string[] {
  return readdirSync(CASES).sort();
}

/** Copies a case into `root`, runs its `prepare.sh` in the context, and fixes modes and times. */
export async function prepareCase(name: string, root: string): Promise<PreparedCase> {
  const source = join(CASES, name);
  const folder = join(root, name);
  cpSync(source, folder, { recursive: true, verbatimSymlinks: true });
  const context = join(folder, 'context');
  mkdirSync(context, { recursive: true });
  // A checkout's modes follow the umask of whoever cloned, and git keeps no times.
  await runOk(['chmod', '-R', 'u=rwX,go=rX', folder]);
  const script = join(folder, 'prepare.sh');
  if (existsSync(script)) {
    const env = { CONTEXT_TIME: String(CONTEXT_TIME), LC_ALL: 'C', TZ: 'UTC' };
    await runOk(['bash', '-euc', `umask 022; . "${script}"`], { cwd: context, env });
  }
  await runOk(['find', context, '-depth', '-exec', 'touch', '-h', '-d', `@${CONTEXT_TIME}`, '{}', '+']);
  const file = JSON.parse(readFileSync(join(folder, 'case.json'), 'utf8')) as CaseFile;
  return {
    ...file,
    name,
    context,
    dockerfile: join(folder, 'Dockerfile'),
    referenceDockerfile: join(folder, file.referenceFile ?? 'Dockerfile'),
    secretFiles: writeSecrets(folder, file.secrets ?? {}),
    key: keyOf(source),
  };
}

function writeSecrets(folder: string, secrets: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(secrets).map(([id, value]) => {
      const path = join(folder, `secret-${id}`);
      writeFileSync(path, value);
      return [id, path];
    }),
  );
}

function keyOf(folder: string): string {
  const digest = createHash('sha256');
  // Directories do not count: git keeps no empty ones.
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  for (const path of files.map((entry) => join(entry.parentPath, entry.name)).sort()) {
    digest.update(`${path.slice(folder.length)}\n`).update(readFileSync(path));
  }
  return digest.digest('hex').slice(0, 12);
}
