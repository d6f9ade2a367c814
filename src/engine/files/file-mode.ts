import type { EntryType } from '../../archive/index.ts';
import { BuildError } from '../../core/index.ts';

/** What `--chmod` asks for. An octal mode also holds for directories that are made on the way; a symbolic one does not. */
export interface ModeChange {
  readonly octal?: number;
  apply(mode: number, type: EntryType): number;
}

type Clause = (mode: number, type: EntryType) => number;

const OCTAL = /^[0-7]+$/;
const CLAUSE = /^([ugoa]*)((?:[-+=](?:[rwxXst]*|[ugo]))+)$/;
const ACTION = /([-+=])([rwxXst]*|[ugo])(?=[-+=]|$)/g;
const CLASS_SHIFT: Readonly<Record<string, number>> = { u: 6, g: 3, o: 0 };

/**
 * Reads the value of `--chmod`: octal up to 07777, or symbolic clauses as of chmod(1) (`u=rwX,go=rX`, `+x`, `g=u`); without
 * `ugoa` a clause means all, whatever the umask. Symlinks keep their mode.
 *
 * @throws BuildError `DOCKERFILE_INVALID` for anything else.
 */
export function parseFileMode(text: string): ModeChange {
  if (/^\d/.test(text)) {
    const octal = OCTAL.test(text) ? Number.parseInt(text, 8) : Number.NaN;
    if (!(octal <= 0o7777)) throw badMode(text);
    return { octal, apply: (mode, type) => (type === 'symlink' ? mode : octal) };
  }
  const clauses = text.split(',').flatMap((clause) => parseClause(clause, text));
  return {
    apply: (mode, type) => (type === 'symlink' ? mode : clauses.reduce((value, clause) => clause(value, type), mode)),
  };
}

function parseClause(text: string, whole: string): readonly Clause[] {
  const match = CLAUSE.exec(text);
  if (match === null) throw badMode(whole);
  const [, who = '', actions = ''] = match;
  const classes = who === '' || who.includes('a') ? 'ugo' : who;
  return [...actions.matchAll(ACTION)].map(([, operator = '', permissions = '']) =>
    toClause({ classes, operator, permissions }),
  );
}

interface Action {
  /** Of `u`, `g`, `o`. */
  readonly classes: string;
  readonly operator: string;
  readonly permissions: string;
}

function toClause({ classes, operator, permissions }: Action): Clause {
  const mask = maskOf(classes);
  return (mode, type) => {
    const bits = bitsOf({ classes, permissions, mode, type });
    if (operator === '+') return mode | bits;
    if (operator === '-') return mode & ~bits;
    // Like chmod(1), `=` leaves a directory's setuid and setgid bits alone where they are not named.
    const kept = type === 'directory' && !permissions.includes('s') ? mode & mask & 0o6000 : 0;
    return (mode & ~mask) | bits | kept;
  };
}

/** All bits that belong to some classes: permissions, and the special bit of each. */
function maskOf(classes: string): number {
  let mask = 0;
  if (classes.includes('u')) mask |= 0o4700;
  if (classes.includes('g')) mask |= 0o2070;
  if (classes.includes('o')) mask |= 0o1007;
  return mask;
}

function bitsOf(of: { classes: string; permissions: string; mode: number; type: EntryType }): number {
  const { classes, permissions, mode, type } = of;
  const copiedFrom = /^[ugo]$/.test(permissions) ? CLASS_SHIFT[permissions] : undefined;
  let each = copiedFrom === undefined ? 0 : (mode >> copiedFrom) & 7;
  if (copiedFrom === undefined) {
    if (permissions.includes('r')) each |= 4;
    if (permissions.includes('w')) each |= 2;
    if (permissions.includes('x')) each |= 1;
    if (permissions.includes('X') && (type === 'directory' || (mode & 0o111) !== 0)) each |= 1;
  }
  let bits = 0;
  for (const name of classes) bits |= each << (CLASS_SHIFT[name] as number);
  if (permissions.includes('s')) bits |= (classes.includes('u') ? 0o4000 : 0) | (classes.includes('g') ? 0o2000 : 0);
  if (permissions.includes('t') && classes.includes('o')) bits |= 0o1000;
  return bits;
}

function badMode(text: string): BuildError {
  return new BuildError('DOCKERFILE_INVALID', `"${text}" is not a file mode.`, {
    hint: 'Write --chmod as an octal number up to 07777, such as 755, or as symbolic clauses, such as u=rwX,go=rX.',
  });
}
