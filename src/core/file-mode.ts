import { BuildError } from './errors.ts';

/** What `--chmod` asks for. */
export interface ModeChange {
  /** An octal mode, the same for everything; a symbolic one depends on what is there. */
  readonly octal?: number;
  /** The new permission bits (0 to 0o7777) of a file or directory from its old ones. Symbolic links have none. */
  apply(mode: number, isDirectory: boolean): number;
}

const SET_IDS = 0o6000;
const STICKY = 0o1000;
const STANDARD = SET_IDS | 0o777;
const ANY_EXECUTE = 0o111;

const WHO: Readonly<Record<string, number>> = { u: 0o4700, g: 0o2070, o: 0o0007, a: STANDARD };
const PERMISSIONS: Readonly<Record<string, number>> = { r: 0o444, w: 0o222, x: 0o111 };
const SHIFTS: Readonly<Record<string, number>> = { u: 6, g: 3, o: 0 };

/**
 * Reads the value of `--chmod`, after expansion: octal up to 7777, or symbolic as in chmod(1) (`u=rwX,go=rX`, `+x`,
 * `g=u-w`; without `who` all classes, there is no umask). `X` looks at the mode before any change.
 *
 * @throws BuildError `DOCKERFILE_INVALID`
 */
export function parseFileMode(text: string): ModeChange {
  if (/^[0-7]+$/.test(text)) {
    const mode = Number.parseInt(text, 8);
    if (mode > 0o7777) throw invalid(text);
    return { octal: mode, apply: () => mode };
  }
  const changes = text.split(',').flatMap((clause) => parseClause(text, clause));
  return {
    apply: (mode, isDirectory) => {
      const executable = isDirectory || (mode & ANY_EXECUTE) !== 0;
      return changes.reduce((current, change) => change(current, executable), mode & 0o7777);
    },
  };
}

/** Whether directories with an octal mode cannot be entered by somebody who may list them, as with 644. */
export function locksDirectories({ octal }: ModeChange): boolean {
  return octal !== undefined && (octal & 0o444) >> 2 !== (octal & ((octal & 0o444) >> 2));
}

/** `executable`: whether `X` applies. */
type Change = (mode: number, executable: boolean) => number;

const CLAUSE = /^([ugoa]*)((?:[+\-=][rwxXstugo]*)+)$/;
const ACTION = /([+\-=])([rwxXstugo]*)/g;

function parseClause(text: string, clause: string): readonly Change[] {
  const match = CLAUSE.exec(clause);
  if (match === null) throw invalid(text);
  const who = [...match[1]!].reduce((bits, letter) => bits | WHO[letter]!, 0);
  return [...match[2]!.matchAll(ACTION)].flatMap(([, operator, letters]) =>
    actionChanges({ who, operator: operator!, letters: letters! }),
  );
}

interface Action {
  /** 0: nobody was named, which means everybody. */
  readonly who: number;
  readonly operator: string;
  readonly letters: string;
}

/** In the order of chmod(1): `=` clears first, then bits are set, cleared or copied. */
function actionChanges({ who, operator, letters }: Action): readonly Change[] {
  const reach = (who === 0 ? STANDARD : who) | (setsSticky(who, letters) ? STICKY : 0);
  const changes: Change[] = [];
  if (operator === '=') changes.push((mode) => mode & ~reach);
  for (const letter of letters) {
    if (letter in SHIFTS) changes.push(copyClass({ who: reach, operator, letter }));
    else changes.push(changeBits({ bits: bitsOf(who, letter) & reach, operator, onlyExecutable: letter === 'X' }));
  }
  return changes;
}

function setsSticky(who: number, letters: string): boolean {
  return letters.includes('t') && who !== WHO.o;
}

function bitsOf(who: number, letter: string): number {
  if (letter === 's') return who === WHO.o ? 0 : SET_IDS;
  if (letter === 't') return who === WHO.o ? 0 : STICKY;
  return PERMISSIONS[letter.toLowerCase()]!;
}

function changeBits(change: {
  readonly bits: number;
  readonly operator: string;
  readonly onlyExecutable: boolean;
}): Change {
  const { bits, operator, onlyExecutable } = change;
  if (operator === '-') return (mode) => mode & ~bits;
  return (mode, executable) => (onlyExecutable && !executable ? mode : mode | bits);
}

function copyClass({
  who,
  operator,
  letter,
}: {
  readonly who: number;
  readonly operator: string;
  readonly letter: string;
}): Change {
  return (mode) => {
    const value = (mode >> SHIFTS[letter]!) & 0o7;
    const bits = ((value << 6) | (value << 3) | value) & who;
    return operator === '-' ? mode & ~bits : mode | bits;
  };
}

function invalid(text: string): BuildError {
  return new BuildError('DOCKERFILE_INVALID', `"${text}" is not a file mode.`, {
    hint: 'Write it in octal (755, 0644, up to 7777) or in symbols (u=rwX,go=rX or +x).',
  });
}
