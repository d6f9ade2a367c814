import { BuildError } from '../../core/index.ts';
import { parseGoBoolean } from '../parse-boolean.ts';

/** What `check=` asks for. `all` stands for every rule. */
export interface CheckOptions {
  readonly skip: 'all' | readonly string[];
  readonly experimental: 'all' | readonly string[];
  /** Findings make the build fail. */
  readonly error: boolean;
}

export const NO_CHECK_OPTIONS: CheckOptions = { skip: [], experimental: [], error: false };

/**
 * Reads the value of the `check` directive: `skip=A,B;experimental=C;error=true`. What follows the first blank is a remark.
 *
 * @throws BuildError `DOCKERFILE_INVALID`, without location.
 */
export function parseCheckOptions(value: string): CheckOptions {
  const [text = ''] = value.trim().split(' ');
  return text.split(';').filter(Boolean).reduce(readOption, NO_CHECK_OPTIONS);
}

function readOption(options: CheckOptions, part: string): CheckOptions {
  const equals = part.indexOf('=');
  const key = part.slice(0, Math.max(0, equals)).trim();
  const value = part.slice(equals + 1).trim();
  if (key === 'skip' || key === 'experimental') return { ...options, [key]: parseNames(value) };
  if (key === 'error') return { ...options, error: parseGoBoolean('error', value) };
  throw new BuildError('DOCKERFILE_INVALID', `"${part}" is no option of the check directive.`, {
    hint: 'The options are skip=<rules>, experimental=<rules> and error=<true or false>, with ";" between them.',
  });
}

function parseNames(value: string): 'all' | readonly string[] {
  return value === 'all' ? 'all' : value.split(',').map((name) => name.trim());
}

/** Whether a list of names, or `all`, has a name. */
export function includesRule(names: 'all' | readonly string[], name: string): boolean {
  return names === 'all' || names.includes(name);
}

const INLINE = /^check\s*=\s*(.+)$/i;

/** Whether a comment configures the checks of the instruction below it. */
export function isCheckComment(comment: string): boolean {
  return INLINE.test(comment);
}

/** The options of the first `# check=…` among the comments above an instruction. Malformed ones do not count. */
export function inlineCheckOptions(comments: readonly string[]): CheckOptions {
  const value = comments.map((comment) => INLINE.exec(comment)?.[1]).find((found) => found !== undefined);
  try {
    return value === undefined ? NO_CHECK_OPTIONS : parseCheckOptions(value);
  } catch {
    return NO_CHECK_OPTIONS;
  }
}
