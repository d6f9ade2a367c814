import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { RegistryHostOptions } from './types.ts';

type Certificates = Pick<RegistryHostOptions, 'ca' | 'cert' | 'key'>;

/**
 * Certificates by registry host from `certs.d` directories, later ones winning: `<host[:port]>/*.crt` are authorities,
 * `*.cert` with the `*.key` of the same name is a client's (dockerd, "Verify repository client with certificates").
 */
export async function readCertificates(
  directories: readonly string[],
): Promise<Readonly<Record<string, Certificates>>> {
  const found: Record<string, Certificates> = {};
  for (const directory of directories) {
    for (const host of await namesIn(directory)) {
      found[host] = { ...found[host], ...(await readHostDirectory(join(directory, host))) };
    }
  }
  return found;
}

async function readHostDirectory(directory: string): Promise<Certificates> {
  const names = await namesIn(directory);
  const read = (name: string): Promise<string> => readFile(join(directory, name), 'utf8');
  const authorities = await Promise.all(names.filter((name) => name.endsWith('.crt')).map(read));
  const pair = names.find((name) => name.endsWith('.cert') && names.includes(keyNameOf(name)));
  return {
    ...(authorities.length === 0 ? {} : { ca: authorities.join('\n') }),
    ...(pair === undefined ? {} : { cert: await read(pair), key: await read(keyNameOf(pair)) }),
  };
}

function keyNameOf(certificateName: string): string {
  return certificateName.replace(/\.cert$/, '.key');
}

/** Sorted; empty for what is no directory, or may not be read. */
async function namesIn(directory: string): Promise<readonly string[]> {
  return (await readdir(directory).catch(() => [])).sort();
}
