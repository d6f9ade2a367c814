import { createHash } from 'node:crypto';
import {
  chmodSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ensureBase } from '../support/base-images.ts';
import { IS_ROOT, lacksPrograms } from '../support/host.ts';
import { readLayout } from '../support/oci-layout.ts';
import { runOk, runProgram } from '../support/process.ts';
import { diskFolder, makeTempDir, removeTempDir } from '../support/temp-dir.ts';
import { BUNDLE, createZlayer } from '../support/zlayer.ts';

const EPOCH = 1_000_000_000;
const OTHER_USER = process.env['ZLAYER_TEST_USER'] ?? 'zlayer-test';
const skip = lacksPrograms('reproducible builds', ['busybox', 'unshare', 'tar']);

const DOCKERFILE = `# check=skip=UnpinnedBaseImage
FROM localhost/busybox:latest AS build
WORKDIR /src/deep
COPY . .
RUN mkdir -p /made/dir && cd /made && for i in 3 1 2; do echo $i > dir/f$i; done && ln dir/f1 linked && ln -s dir link \\
  && chmod 750 dir && mkfifo pipe && rm -r /var/tmp && echo more >> /etc/passwd
RUN <<EOF
mkdir /later
echo heredoc > /later/file
touch -d '1999-01-01 00:00:00' /later/old
EOF
FROM localhost/busybox:latest
ARG WHO=nobody
ENV NAME=value
WORKDIR /work/a
COPY --from=build /made /made
COPY --from=build --chown=65534:65534 /src/deep/src /src
ADD archive.tar.gz /unpacked/
ADD --chmod=640 src/one.txt /added/
COPY <<one <<two /inline/
first $NAME
one
second
two
COPY --link src/two.txt /linked/
USER nobody
WORKDIR /home/nobody/new
RUN id > who && mkdir -p sub && date -u -d @0 > sub/date
LABEL a=b
CMD ["sh"]
`;

/** What may differ between two machines, and must not be seen in the image. */
interface Place {
  readonly name: string;
  /** Runs as this user; absent: as the one who runs the tests. */
  readonly user?: string;
  readonly umask: string;
  readonly timezone: string;
  readonly mtime: number;
  readonly isReversed: boolean;
  /** Steps run at once. */
  readonly parallelism: number;
  /** On a disk, where other places lie in memory. */
  readonly isOnDisk: boolean;
}

const FILES: Readonly<Record<string, number>> = {
  'src/one.txt': 0o644,
  'src/two.txt': 0o600,
  'src/run.sh': 0o755,
  'src/sub/three': 0o444,
  'z-last': 0o644,
  'A-first': 0o644,
};

describe.skipIf(skip)('zlayer build with SOURCE_DATE_EPOCH and rewrite-timestamp', () => {
  const root = makeTempDir('same');
  const disk = makeTempDir('same', diskFolder());
  let base: string;
  let archive: string;
  beforeAll(async () => {
    for (const each of [root, disk]) chmodSync(each, 0o755);
    base = (await ensureBase('busybox')).layout;
    archive = join(root, 'archive.tar.gz');
    const content = join(root, 'content');
    mkdirSync(join(content, 'inside'), { recursive: true });
    writeFileSync(join(content, 'inside/x'), 'x');
    await runOk(['tar', '-czf', archive, '-C', content, '--mtime=@1500000000', '--owner=12:34', 'inside']);
  }, 120_000);
  afterAll(async () => {
    for (const each of [root, disk]) await removeTempDir(each);
  }, 120_000);

  function writeContext(place: Place, directory: string): void {
    const names = Object.keys(FILES);
    for (const name of place.isReversed ? names.reverse() : names) {
      const path = join(directory, name);
      mkdirSync(join(path, '..'), { recursive: true, mode: 0o755 });
      writeFileSync(path, `${name}\n`);
      chmodSync(path, FILES[name]!);
      utimesSync(path, place.mtime, place.mtime);
    }
    symlinkSync('one.txt', join(directory, 'src/alias'));
    cpSync(archive, join(directory, 'archive.tar.gz'));
    writeFileSync(join(directory, 'Dockerfile'), DOCKERFILE);
    for (const name of ['', 'src', 'src/sub']) {
      chmodSync(join(directory, name), 0o755);
      utimesSync(join(directory, name), place.mtime + 7, place.mtime + 7);
    }
  }

  /** Builds in a place with a store of its own, and gives the digest of the manifest with the bytes of all blobs by digest. */
  async function buildAt(place: Place): Promise<{ readonly manifest: string; readonly blobs: Map<string, string> }> {
    const home = join(place.isOnDisk ? disk : root, place.name);
    mkdirSync(join(home, 'project'), { recursive: true });
    const context = join(home, place.isReversed ? 'project/elsewhere' : 'project');
    mkdirSync(context, { recursive: true });
    writeContext(place, context);
    cpSync(base, join(home, 'base'), { recursive: true });
    const { argv, env } = createZlayer(join(home, 'store'), place.user === undefined ? undefined : copyCommand(home));
    const out = join(home, 'out');
    const variables = [
      `ZLAYER_DATA_DIR=${env['ZLAYER_DATA_DIR']}`,
      `HOME=${home}`,
      `TMPDIR=${home}`,
      `XDG_RUNTIME_DIR=${home}`,
      `TZ=${place.timezone}`,
      `SOURCE_DATE_EPOCH=${EPOCH}`,
      'NO_COLOR=1',
    ];
    const options = [
      '--progress=plain',
      `--parallelism=${place.parallelism}`,
      '--build-context',
      `localhost/busybox=oci-layout://${join(home, 'base')}`,
    ];
    const output = `type=oci,tar=false,dest=${out},rewrite-timestamp=true`;
    const shell = [
      'sh',
      '-c',
      `umask ${place.umask}; exec "$@"`,
      'sh',
      ...argv,
      'build',
      ...options,
      '-o',
      output,
      context,
    ];
    const command = ['env', ...variables, ...shell];
    if (place.user !== undefined) await runOk(['chown', '-R', `${place.user}:`, home]);
    await runOk(place.user === undefined ? command : ['runuser', '-u', place.user, '--', ...command], {
      env: { NODE_EXTRA_CA_CERTS: undefined },
    });
    const directory = join(out, 'blobs/sha256');
    const hash = (name: string): string =>
      createHash('sha256')
        .update(readFileSync(join(directory, name)))
        .digest('hex');
    const blobs = new Map(
      readdirSync(directory)
        .sort()
        .map((name) => [name, hash(name)]),
    );
    return { manifest: readLayout(out).descriptor.digest, blobs };
  }

  /** The checkout may be closed to another user. */
  function copyCommand(home: string): string {
    cpSync(dirname(BUNDLE), join(home, 'command'), { recursive: true });
    return join(home, 'command', basename(BUNDLE));
  }

  const here: Place = {
    name: 'here',
    umask: '022',
    timezone: 'Asia/Tokyo',
    mtime: EPOCH + 1e8,
    isReversed: false,
    parallelism: 1,
    isOnDisk: false,
  };
  const there: Place = {
    name: 'there',
    umask: '077',
    timezone: 'America/New_York',
    mtime: EPOCH + 2e8,
    isReversed: true,
    parallelism: 8,
    isOnDisk: true,
  };

  it('makes the same bytes in two directories and stores, whatever file system, umask, time zone, times and order of files', {
    timeout: 300_000,
  }, async () => {
    expect(await buildAt(there)).toEqual(await buildAt(here));
  });

  it('makes the same bytes as root and as another user', { timeout: 300_000 }, async (context) => {
    const found = IS_ROOT ? await runProgram(['id', '-u', OTHER_USER]) : undefined;
    if (found?.exitCode !== 0) {
      const why = IS_ROOT
        ? `there is no user ${OTHER_USER} (ZLAYER_TEST_USER names one)`
        : 'the tests do not run as root';
      process.stderr.write(`SKIPPED the same image under two users: ${why}\n`);
      return context.skip();
    }
    const asRoot = await buildAt({ ...here, name: 'root' });
    expect(await buildAt({ ...there, name: 'user', user: OTHER_USER })).toEqual(asRoot);
  });
});
