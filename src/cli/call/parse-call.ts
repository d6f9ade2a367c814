import { usage } from '../options/values.ts';

const METHODS = ['build', 'check', 'outline', 'targets'] as const;

/** What `zlayer build` is to do with the Dockerfile. */
export interface Call {
  readonly method: (typeof METHODS)[number];
  readonly format: 'text' | 'json';
}

interface CallOptions {
  readonly call: string | undefined;
  readonly check: boolean;
  readonly format: string | undefined;
}

/**
 * Reads `--call METHOD[,format=json]`, `--check` and `--format` together; docker writes the format behind the method.
 *
 * @throws BuildError `USAGE`
 */
export function parseCall({ call, check, format }: CallOptions): Call {
  const [name = '', ...settings] = (call ?? (check ? 'check' : 'build')).split(',');
  const method = METHODS.find((known) => known === name);
  if (method === undefined) throw usage(`--call has no method "${name}".`, `The methods are ${METHODS.join(', ')}.`);
  if (check && method !== 'check') throw usage(`--check and --call=${name} contradict each other.`, 'Leave one out.');
  const wanted = settings.map(readFormat).at(-1);
  if (wanted !== undefined && format !== undefined && wanted !== format) {
    throw usage(`--call=${call} and --format=${format} contradict each other.`, 'Leave one out.');
  }
  return { method, format: (wanted ?? format) === 'json' ? 'json' : 'text' };
}

function readFormat(setting: string): Call['format'] {
  if (setting === 'format=json') return 'json';
  if (setting === 'format=text') return 'text';
  throw usage(`--call has no setting "${setting}".`, 'Write --call=<method>,format=json, or use --format json.');
}
