import { BuildError, nearestWord } from '../core/index.ts';

const NAMES =
  'ABRT ALRM BUS CHLD CLD CONT FPE HUP ILL INT IO IOT KILL PIPE POLL PROF PWR QUIT SEGV STKFLT STOP SYS TERM TRAP TSTP TTIN TTOU URG USR1 USR2 VTALRM WINCH XCPU XFSZ'.split(
    ' ',
  );
const REAL_TIME = /^RT(?:MIN(?:\+(?:[1-9]|1[0-5]))?|MAX(?:-(?:[1-9]|1[0-4]))?)$/;

/**
 * Checks the value of `STOPSIGNAL`, after expansion: a number above 0, or a Linux signal's name with or without `SIG`, in
 * any case. Gives it back as the image config keeps it: unchanged.
 *
 * @throws BuildError `DOCKERFILE_INVALID`
 */
export function parseSignal(text: string): string {
  if (/^\d+$/.test(text) && Number(text) > 0) return text;
  const name = text.toUpperCase().replace(/^SIG/, '');
  if (NAMES.includes(name) || REAL_TIME.test(name)) return text;
  const nearest = nearestWord(name, NAMES);
  throw new BuildError('DOCKERFILE_INVALID', `"${text}" is not a signal.`, {
    hint: nearest === undefined ? 'Write a name such as SIGTERM, or a number.' : `The nearest signal is SIG${nearest}.`,
  });
}
