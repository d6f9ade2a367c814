import { BuildError } from '../core/index.ts';

const TRUE = ['1', 't', 'T', 'TRUE', 'true', 'True'];
const FALSE = ['0', 'f', 'F', 'FALSE', 'false', 'False'];

/** A boolean as Go's `strconv.ParseBool` reads it. @throws BuildError `DOCKERFILE_INVALID`, naming `key`. */
export function parseGoBoolean(key: string, value: string): boolean {
  if (TRUE.includes(value)) return true;
  if (FALSE.includes(value)) return false;
  throw new BuildError('DOCKERFILE_INVALID', `The option ${key} is true or false, not "${value}".`, {
    hint: `Write ${key}, ${key}=true or ${key}=false.`,
  });
}
