import { existsSync, readFileSync } from 'node:fs';
import { createLayerWriter, type Entry } from '../../src/archive/index.ts';
import { platformOfHost } from '../../src/core/index.ts';
import { importRootfs } from '../../src/outputs/index.ts';
import { openStore } from '../../src/store/index.ts';

const BUSYBOX = ['/bin/busybox', '/usr/bin/busybox'].find((path) => existsSync(path));

/** Name of the base image that `importBusybox` makes. */
export const BUSYBOX_IMAGE = 'localhost/busybox:latest';

/** Why RUN cannot be tested here; undefined when it can. On CI a missing program is a failure, not a reason. */
export function missingForRun(): string | undefined {
  if (BUSYBOX !== undefined) return undefined;
  if (process.env['CI'] === 'true') throw new Error('busybox-static is not installed');
  return 'busybox-static is not installed';
}

/** Makes a base image of busybox in a store, written by our own codec. */
export async function importBusybox(dataDir: string): Promise<void> {
  const store = await openStore({ root: dataDir });
  const bytes = readFileSync(BUSYBOX!);
  const chunks: Uint8Array[] = [];
  const writer = createLayerWriter({ write: (chunk) => void chunks.push(Buffer.from(chunk)) });
  const plain = { uid: 0, gid: 0, sizeBytes: 0, mtime: 1_600_000_000 };
  const add = (entry: Partial<Entry> & Pick<Entry, 'path' | 'type'>, content?: string): void => {
    const text = content === undefined ? undefined : Buffer.from(content);
    const full: Entry = {
      ...plain,
      mode: entry.type === 'directory' ? 0o755 : 0o644,
      ...entry,
      sizeBytes: entry.sizeBytes ?? text?.length ?? 0,
    };
    writer.add(text === undefined ? { entry: full } : { entry: full, content: { kind: 'bytes', bytes: text } });
  };
  for (const path of ['bin', 'etc', 'root']) add({ path, type: 'directory' });
  add({ path: 'tmp', type: 'directory', mode: 0o1777 });
  writer.add({
    entry: { ...plain, path: 'bin/busybox', type: 'file', mode: 0o755, sizeBytes: bytes.length },
    content: { kind: 'bytes', bytes },
  });
  for (const name of [
    'sh',
    'cat',
    'echo',
    'env',
    'id',
    'ls',
    'rm',
    'mkdir',
    'touch',
    'sleep',
    'true',
    'stat',
    'chown',
    'date',
    'head',
    'test',
    'readlink',
  ]) {
    add({ path: `bin/${name}`, type: 'symlink', mode: 0o777, linkTarget: 'busybox' });
  }
  add({ path: 'etc/passwd', type: 'file' }, 'root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\n');
  add({ path: 'etc/group', type: 'file' }, 'root:x:0:\napp:x:1000:\nextra:x:2000:app\n');
  writer.finish();
  const tar = Buffer.concat(chunks);
  await importRootfs(
    { store },
    {
      bytes: (async function* () {
        yield tar;
      })(),
      references: [BUSYBOX_IMAGE],
      platform: platformOfHost(process.platform, process.arch),
      config: { Env: ['PATH=/bin'] },
      createdMs: 0,
    },
    { signal: new AbortController().signal, emit: () => undefined },
  );
}
