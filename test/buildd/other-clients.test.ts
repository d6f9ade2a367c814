import { chmodSync, symlinkSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { BuildExtensionSchema, MessageInput } from '../../src/rpc/index.ts';
import { TreeEntry_Type } from '../../src/rpc/index.ts';
import { lacksPrograms } from '../support/host.ts';
import { makeTempDir, removeTempDir } from '../support/temp-dir.ts';
import { type Collected, collect } from './collect-events.ts';
import { type BuildClient, type DaemonFixture, openDaemon } from './daemon-fixture.ts';
import { all } from './upload.ts';
import { writeFiles } from './write-files.ts';

/** What a client with a good certificate, who is nobody's friend, cannot have of the daemon's host and of other clients. */
let fixture: DaemonFixture;
let victim: BuildClient;
let client: BuildClient;
let allowed: string;
let home: string;
beforeAll(async () => {
  home = makeTempDir('allowed');
  allowed = writeFiles(join(home, 'allowed'), { Dockerfile: 'FROM scratch\nCOPY Dockerfile /\n' });
  fixture = await openDaemon({
    allow: { contexts: [allowed], entitlements: [], secretEnvs: [], sshAgent: false, signIns: false },
  });
  victim = await fixture.connect('victim');
  client = await fixture.connect('attacker');
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await fixture?.close();
  await removeTempDir(home);
});

type Extension = Exclude<MessageInput<typeof BuildExtensionSchema>, { readonly $typeName: string }>;

const build = (dockerfile: string, extension: Extension = {}, by: BuildClient = client): Promise<Collected> =>
  collect(by.build({ layers: true, extension: { dockerfile: Buffer.from(dockerfile), ...extension } }));

describe('the contexts of another client', () => {
  it('are not to be had by their names', async () => {
    const text = Buffer.from('the secret of the victim');
    const digest = Buffer.from(await crypto.subtle.digest('SHA-256', text));
    const entry = { path: Buffer.from('f'), type: TreeEntry_Type.FILE, mode: 0o644, size: BigInt(text.length), digest };
    const { tree } = await victim.offerTree(all([{ entries: [entry] }]));
    await victim.uploadContent(all([{ digest, offset: 0n, data: text, last: true }]));
    const copied = 'FROM scratch\nCOPY f /\n';
    expect((await build(copied, { contextTree: tree }, victim)).error).toBeUndefined();
    const attempts: readonly Extension[] = [
      { contextTree: tree },
      { buildContexts: { it: `tree:${tree}` } },
      { buildContexts: { it: `layout:${tree}` } },
      { cachesFrom: [{ place: { case: 'local', value: { tree } } }] },
      { mountsFrom: [{ place: { case: 'local', value: { tree } } }] },
    ];
    for (const attempt of attempts) {
      const { error } = await build(copied, attempt);
      expect(error, JSON.stringify(attempt)).toMatchObject({ code: 'CONTEXT_INVALID' });
    }
    // To offer the same is not to have it.
    expect((await client.offerTree(all([{ entries: [entry] }]))).missing).toHaveLength(1);
    expect((await build(copied, { contextTree: tree })).error).toMatchObject({ code: 'CONTEXT_INVALID' });
  });

  it('are not reached by paths in the place of names', async () => {
    for (const name of ['../../victim', 'sha256:../x', `sha256:${'a'.repeat(63)}/`, '/etc']) {
      for (const extension of [{ contextTree: name }, { buildContexts: { it: `layout:${name}` } }]) {
        const { error } = await build('FROM scratch\nCOPY passwd /\n', extension);
        expect(['CONTEXT_INVALID', 'USAGE']).toContain(error?.code);
      }
    }
  });
});

describe("the daemon's host", () => {
  it('is not to be explored: what lies outside is refused in the same words, be it there or not', async () => {
    symlinkSync('/', join(allowed, 'root'));
    symlinkSync('/nowhere/at/all', join(allowed, 'dangling'));
    const codes: string[] = [];
    for (const path of ['root/etc', 'root/no-such-directory', 'dangling', 'dangling/x', 'missing']) {
      const built = await collect(client.build({ layers: true, contextDir: join(allowed, path) }));
      codes.push(built.error?.code ?? 'built');
    }
    expect(codes).toEqual(['NOT_ALLOWED', 'NOT_ALLOWED', 'NOT_ALLOWED', 'NOT_ALLOWED', 'CONTEXT_NOT_FOUND']);
    for (const path of ['root/etc/passwd', 'root/etc/no-such-file', 'dangling']) {
      const extension = { dockerfile: Buffer.from('FROM scratch\n') };
      const built = await collect(client.build({ extension, secrets: [`id=a,src=${join(allowed, path)}`] }));
      expect(built.error?.code, path).toBe('NOT_ALLOWED');
    }
  });

  it('gives no layout to a Dockerfile that names one as an image', async () => {
    for (const reference of [`oci-layout://${fixture.storageRoot}`, 'dir:/etc', 'oci:/etc', 'docker-archive:/etc/x']) {
      for (const dockerfile of [`FROM ${reference}\n`, `FROM scratch\nCOPY --from=${reference} / /\n`]) {
        expect((await build(dockerfile)).finished, dockerfile).toBeUndefined();
      }
    }
    for (const destination of [
      'dir:/tmp/pushed',
      'oci:/tmp/pushed',
      'docker-archive:/tmp/pushed',
      'oci:///tmp/pushed',
    ]) {
      await expect(client.push({ image: 'localhost/busybox:latest', destination })).rejects.toMatchObject({
        code: expect.stringMatching(/^(UNSUPPORTED|REFERENCE_INVALID)$/) as string,
      });
    }
  });

  it('keeps its sign-ins to registries to itself, unless the operator lets them be used', async () => {
    const seen: (string | undefined)[] = [];
    const registry = createServer(({ headers }, response) => {
      seen.push(headers.authorization);
      response.writeHead(401, { 'www-authenticate': 'Basic realm="r"' }).end();
    });
    await new Promise<void>((resolve) => registry.listen(0, '127.0.0.1', resolve));
    const host = `127.0.0.1:${(registry.address() as AddressInfo).port}`;
    const auth = Buffer.from('operator:password').toString('base64');
    const config = writeFiles(join(fixture.directory, 'docker'), {
      'config.json': JSON.stringify({ auths: { [host]: { auth } } }),
    });
    vi.stubEnv('DOCKER_CONFIG', config);
    vi.stubEnv('REGISTRY_AUTH_FILE', undefined);
    expect((await build(`FROM ${host}/private\n`)).error?.code).toBe('REGISTRY_UNAUTHORIZED');
    expect(seen.filter((value) => value !== undefined)).toEqual([]);
    const open = await openDaemon({
      allow: { contexts: [], entitlements: [], secretEnvs: [], sshAgent: false, signIns: true },
    });
    await build(`FROM ${host}/private\n`, {}, await open.connect());
    expect(seen).toContain(`Basic ${auth}`);
    await open.close();
    registry.close();
  });

  it.skipIf(lacksPrograms('test/buildd/other-clients', ['git']))(
    'keeps the keys of its user: git has those of an agent of the client alone',
    async () => {
      const bin = writeFiles(join(fixture.directory, 'bin'), {
        ssh: '#!/bin/sh\necho "ssh got: $*" >&2\necho "agent: $SSH_AUTH_SOCK" >&2\nexit 1\n',
      });
      chmodSync(join(bin, 'ssh'), 0o755);
      vi.stubEnv('PATH', `${bin}:${process.env['PATH']}`);
      vi.stubEnv('SSH_AUTH_SOCK', '/the/agent/of/the/operator');
      const { error } = await build('FROM scratch\nADD git@127.0.0.1:operator/private.git /x\n');
      expect(error?.code).toBe('GIT_FAILED');
      expect(error?.message).toContain('-o IdentityFile=none');
      expect(error?.message).not.toContain('/the/agent/of/the/operator');
    },
  );
});

describe('a request that names very much', () => {
  it('is refused before it fills the memory of the daemon', async () => {
    writeFiles(allowed, { long: `#${'x'.repeat(1 << 20)}\n` });
    const dockerfilePaths = Array.from({ length: 17 }, () => 'long');
    const built = await collect(client.build({ layers: true, contextDir: allowed, dockerfilePaths }));
    expect(built.error).toMatchObject({ code: 'USAGE', message: expect.stringContaining('16 MiB') as string });
    const tags = Array.from({ length: 100 }, (_, index) => `tag-${index}-${'x'.repeat(300)}`);
    await collect(client.build({ layers: true, tags, extension: { dockerfile: Buffer.from('FROM scratch\n') } }));
    expect(Math.max(...fixture.lines.map((line) => line.length))).toBeLessThan(4000);
  });
});
