import { readdirSync } from 'node:fs';
import { readLayout } from './oci-layout.ts';
import { runOk } from './process.ts';

const REF_NAME = 'org.opencontainers.image.ref.name';

/** Unpacks the one image of a layout with umoci, and lists the names in its root file system in byte order. */
export async function unpackWithUmoci(layout: string, target: string): Promise<readonly string[]> {
  const { descriptor } = readLayout(layout);
  const name = descriptor.annotations?.[REF_NAME] ?? 'latest';
  const rootless = process.getuid?.() === 0 ? [] : ['--rootless'];
  await runOk(['umoci', 'raw', 'unpack', ...rootless, '--image', `${layout}:${name}`, target]);
  return [...listTree(Buffer.from(target), '')].sort();
}

function listTree(folder: Buffer, prefix: string): readonly string[] {
  return readdirSync(folder, { withFileTypes: true, encoding: 'buffer' }).flatMap((entry) => {
    const name = entry.name.toString('latin1');
    const path = Buffer.concat([folder, Buffer.from('/'), entry.name]);
    return [`${prefix}${name}`, ...(entry.isDirectory() ? listTree(path, `${prefix}${name}/`) : [])];
  });
}
