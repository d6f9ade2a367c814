import type { SecretInput } from '../../backends/index.ts';
import { parseFields, usage } from '../options/values.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Reads `--secret` as buildx does: `id=ID`, `id=ID,src=FILE`, `id=ID,env=NAME`, with `type=file` or `type=env`.
 * An id alone means the variable of that name, else the file of that name.
 *
 * @throws BuildError `USAGE`
 */
export function parseSecrets(texts: readonly string[], env: Environment): Readonly<Record<string, SecretInput>> {
  const secrets = new Map<string, SecretInput>();
  for (const text of texts) {
    const { id, secret } = parseSecret(text, env);
    if (secrets.has(id)) throw usage(`--secret gives the id "${id}" twice.`);
    secrets.set(id, secret);
  }
  return Object.fromEntries(secrets);
}

function parseSecret(text: string, env: Environment): { readonly id: string; readonly secret: SecretInput } {
  let id: string | undefined;
  let type: string | undefined;
  let file: string | undefined;
  let name: string | undefined;
  for (const { key, value } of parseFields(text, '--secret')) {
    if (value === undefined)
      throw usage(`--secret takes key=value, not "${key}".`, 'Write id=ID,src=FILE or id=ID,env=NAME.');
    if (key === 'id') id = value;
    else if (key === 'src' || key === 'source') file = value;
    else if (key === 'env') name = value;
    else if (key === 'type' && (value === 'file' || value === 'env')) type = value;
    else if (key === 'type') throw usage(`--secret has no type "${value}".`, 'It is file or env.');
    else throw usage(`--secret has no field "${key}".`, 'Its fields are id, src, env and type.');
  }
  if (id === undefined || id === '')
    throw usage(`--secret "${text}" has no id.`, 'Write id=ID,src=FILE or id=ID,env=NAME.');
  if (type === 'env') name ??= file;
  else if (file !== undefined && name !== undefined)
    throw usage(`--secret "${id}" has both src and env.`, 'Leave one out.');
  if (name !== undefined) return { id, secret: { kind: 'env', name } };
  if (file !== undefined) return { id, secret: { kind: 'file', path: file } };
  const isVariable = type !== 'file' && env[id] !== undefined;
  return { id, secret: isVariable ? { kind: 'env', name: id } : { kind: 'file', path: id } };
}
