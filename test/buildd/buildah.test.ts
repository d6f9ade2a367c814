import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { lacksPrograms } from '../support/host.ts';
import { makeTempDir, removeTempDir } from '../support/temp-dir.ts';
import { collect } from './collect-events.ts';
import { type BuildClient, type DaemonFixture, openDaemon } from './daemon-fixture.ts';
import { uploadDirectory } from './upload.ts';
import { writeFiles } from './write-files.ts';

const lacking = lacksPrograms('test/buildd/buildah', ['buildah']);

let fixture: DaemonFixture;
let client: BuildClient;
let directory: string;

describe.skipIf(lacking)('a daemon that builds with buildah', () => {
  beforeAll(async () => {
    directory = makeTempDir('buildah');
    for (const name of ['graph', 'run']) mkdirSync(join(directory, name));
    fixture = await openDaemon({
      backend: 'buildah-cli',
      env: { ...process.env, ZLAYER_BUILDAH_STORAGE: `vfs@${join(directory, 'graph')}+${join(directory, 'run')}` },
    });
    client = await fixture.connect();
  });
  afterAll(async () => {
    await fixture?.close();
    if (directory !== undefined) await removeTempDir(directory);
  });

  it('says so, with its version', async () => {
    const inspected = await client.inspect({});
    expect(inspected.backend).toBe('buildah-cli');
    expect(inspected.buildahVersion).toMatch(/^\d+\.\d+\.\d+/);
  });

  it('builds an uploaded context', async () => {
    const context = writeFiles(join(directory, 'context'), {
      Dockerfile: 'FROM scratch\nCOPY file /file\nENV A=b\n',
      file: 'text\n',
    });
    const { tree } = await uploadDirectory(client, context);
    const built = await collect(
      client.build({ layers: true, tags: ['localhost/by-buildah'], extension: { contextTree: tree } }),
    );
    expect(built.error?.message).toBeUndefined();
    expect(built.finished?.imageId).toMatch(/^sha256:/);
    const { images } = await client.listImages({});
    expect(images.flatMap(({ references }) => references)).toContain('localhost/by-buildah:latest');
    expect(built.cases).toContain('instructionFinished');
  });
});
