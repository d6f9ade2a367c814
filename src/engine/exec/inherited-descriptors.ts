import { closeSync, openSync, readdirSync, readFileSync } from 'node:fs';

const CLOSE_ON_EXEC = 0o2000000;

/**
 * Descriptors of this process that a child would inherit although nobody passes them: those above `first` that whoever
 * started us left open without close-on-exec. A step could reach the host through them.
 */
export function leakingDescriptors(first: number): readonly number[] {
  return readdirSync('/proc/self/fdinfo')
    .map(Number)
    .filter((descriptor) => descriptor >= first && !closesOnExec(descriptor));
}

function closesOnExec(descriptor: number): boolean {
  try {
    const flags = /^flags:\s*(\d+)/m.exec(readFileSync(`/proc/self/fdinfo/${descriptor}`, 'utf8'))?.[1];
    return (Number.parseInt(flags ?? '0', 8) & CLOSE_ON_EXEC) !== 0;
  } catch {
    return true;
  }
}

/**
 * The stdio of a child, extended so that leaking descriptors are /dev/null there. They belong to the program that uses this
 * library, so they are not closed here.
 */
export function withoutLeaks<T>(stdio: readonly T[]): {
  readonly stdio: Array<T | 'ignore' | number>;
  readonly close: () => void;
} {
  const leaking = leakingDescriptors(stdio.length);
  if (leaking.length === 0) return { stdio: [...stdio], close: () => undefined };
  const nothing = openSync('/dev/null', 'r');
  const extended: Array<T | 'ignore' | number> = [...stdio];
  for (let descriptor = stdio.length; descriptor <= Math.max(...leaking); descriptor += 1) {
    extended.push(leaking.includes(descriptor) ? nothing : 'ignore');
  }
  return { stdio: extended, close: () => closeSync(nothing) };
}
