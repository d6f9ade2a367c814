import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ensureTlsDirectory, loadClientTls, loadServerTls } from './directory.ts';
import { createClientIdentity, createRevocationCheck, listIdentities, revokeIdentity } from './identities.ts';
import { isSignedBy, readCertificate, splitBundle } from './inspect-certificate.ts';

const DAY_MS = 86_400_000;

let root: string;
let directory: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'zlayer-tls-'));
  directory = join(root, 'tls');
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const read = (name: string): string => readFileSync(join(directory, name), 'utf8');
const modeOf = (name: string): string => (statSync(join(directory, name)).mode & 0o777).toString(8);
const failureOf = (work: Promise<unknown>) =>
  work.then(
    () => expect.unreachable('it did not fail'),
    (error: Error) => error,
  );

describe('ensureTlsDirectory()', () => {
  it('makes a CA and one certificate for each end, for their owner alone', async () => {
    await ensureTlsDirectory(directory, { serverNames: ['builder.example', '10.1.2.3'] });
    const client = readCertificate(read('cert.pem'));
    const server = readCertificate(read('server/cert.pem'));
    expect(client).toMatchObject({ name: 'local', forClient: true, forServer: false });
    expect(server).toMatchObject({ name: 'zlayer-buildd', forClient: false, forServer: true });
    expect(server?.hostNames).toEqual([
      'zlayer-buildd',
      'localhost',
      '127.0.0.1',
      '::1',
      'builder.example',
      '10.1.2.3',
    ]);
    expect(isSignedBy(read('cert.pem'), read('ca.pem'))).toBe(true);
    expect(modeOf('.')).toBe('700');
    for (const name of ['ca-key.pem', 'key.pem', 'server/key.pem']) expect([name, modeOf(name)]).toEqual([name, '600']);
    expect(readdirSync(directory).filter((name) => name.startsWith('.') || name.endsWith('.tmp'))).toEqual([]);
  });

  it('leaves everything as it is when nothing ends soon', async () => {
    await ensureTlsDirectory(directory);
    const before = ['ca.pem', 'cert.pem', 'key.pem', 'server/cert.pem'].map(read);
    await ensureTlsDirectory(directory, { nowMs: Date.now() + 300 * DAY_MS });
    expect(['ca.pem', 'cert.pem', 'key.pem', 'server/cert.pem'].map(read)).toEqual(before);
  });

  it('makes one consistent set when several ask at once', async () => {
    await Promise.all([1, 2, 3, 4].map(() => ensureTlsDirectory(directory)));
    const ca = read('ca.pem');
    expect(splitBundle(ca)).toHaveLength(1);
    expect(await loadClientTls(directory)).toMatchObject({ ca });
    expect(await loadServerTls(directory)).toMatchObject({ ca });
  });

  it('renews certificates a month before they end, by the same CA', async () => {
    await ensureTlsDirectory(directory);
    const before = { ca: read('ca.pem'), client: read('cert.pem'), server: read('server/cert.pem') };
    const nowMs = Date.now() + 340 * DAY_MS;
    await ensureTlsDirectory(directory, { nowMs });
    expect(read('ca.pem')).toBe(before.ca);
    expect(read('cert.pem')).not.toBe(before.client);
    expect(read('server/cert.pem')).not.toBe(before.server);
    expect(readCertificate(read('cert.pem'))?.validUntilMs).toBeGreaterThan(nowMs + 300 * DAY_MS);
    await loadClientTls(directory, { nowMs });
  });

  it('renews the CA long before it ends, so that clients with the old one go on', async () => {
    await ensureTlsDirectory(directory);
    const old = { ca: read('ca.pem'), client: read('cert.pem') };
    const nowMs = Date.now() + 9 * 365 * DAY_MS;
    await ensureTlsDirectory(directory, { nowMs });
    expect(splitBundle(read('ca.pem'))).toHaveLength(2);
    expect(isSignedBy(read('server/cert.pem'), old.ca)).toBe(true);
    expect(isSignedBy(old.client, splitBundle(read('ca.pem'))[0]!)).toBe(true);
  });

  it('makes a new certificate for a name that the server lacks, and keeps the names that it had', async () => {
    await ensureTlsDirectory(directory, { serverNames: ['one.example'] });
    await ensureTlsDirectory(directory, { serverNames: ['two.example'] });
    expect(readCertificate(read('server/cert.pem'))?.hostNames).toEqual(
      expect.arrayContaining(['one.example', 'two.example', 'localhost']),
    );
  });

  it('replaces what is damaged', async () => {
    await ensureTlsDirectory(directory);
    writeFileSync(join(directory, 'cert.pem'), 'nonsense');
    await ensureTlsDirectory(directory);
    await loadClientTls(directory);
  });

  it('leaves the files of another CA alone', async () => {
    await ensureTlsDirectory(directory);
    rmSync(join(directory, 'ca-key.pem'));
    writeFileSync(join(directory, 'cert.pem'), 'nonsense');
    await ensureTlsDirectory(directory);
    expect(read('cert.pem')).toBe('nonsense');
  });
});

describe('loadClientTls()', () => {
  it('says which file is not there', async () => {
    const error = await failureOf(loadClientTls(directory));
    expect(error).toMatchObject({ code: 'BACKEND_UNAVAILABLE' });
    expect(error.message).toContain(join(directory, 'ca.pem'));
  });

  it('says when a certificate expired', async () => {
    await ensureTlsDirectory(directory);
    const error = await failureOf(loadClientTls(directory, { nowMs: Date.now() + 400 * DAY_MS }));
    expect(error.message).toMatch(/cert\.pem expired on \d{4}-\d\d-\d\d/);
  });

  it('says when a certificate is of the future', async () => {
    await ensureTlsDirectory(directory);
    const error = await failureOf(loadClientTls(directory, { nowMs: Date.now() - DAY_MS }));
    expect(error.message).toMatch(/does not hold before .*clock/);
  });

  it.skipIf(process.platform === 'win32')('refuses a key that others may read', async () => {
    await ensureTlsDirectory(directory);
    chmodSync(join(directory, 'key.pem'), 0o644);
    const error = await failureOf(loadClientTls(directory));
    expect(error.message).toContain('644');
  });

  it('refuses a key of another certificate, and a certificate of another CA', async () => {
    await ensureTlsDirectory(directory);
    const key = read('key.pem');
    writeFileSync(join(directory, 'key.pem'), read('server/key.pem'));
    expect((await failureOf(loadClientTls(directory))).message).toContain('is not the key of');
    writeFileSync(join(directory, 'key.pem'), key);
    await ensureTlsDirectory(join(root, 'other'));
    writeFileSync(join(directory, 'ca.pem'), readFileSync(join(root, 'other/ca.pem')));
    expect((await failureOf(loadClientTls(directory))).message).toContain('was not signed by');
  });
});

describe('loadServerTls()', () => {
  it("refuses to serve with a client's certificate", async () => {
    await ensureTlsDirectory(directory);
    rmSync(join(directory, 'server'), { recursive: true });
    expect((await failureOf(loadServerTls(directory))).message).toContain("a client's certificate");
  });
});

describe('createClientIdentity()', () => {
  it('makes a directory that is the TLS directory of another machine', async () => {
    const made = await createClientIdentity(directory, 'ci-1', { days: 30 });
    expect(listIdentities(directory)).toEqual([made]);
    expect(made.validUntilMs - Date.now()).toBeLessThanOrEqual(30 * DAY_MS);
    expect(readdirSync(made.directory).sort()).toEqual(['ca.pem', 'cert.pem', 'key.pem']);
    const { cert, ca } = await loadClientTls(made.directory);
    expect(readCertificate(cert)).toMatchObject({ name: 'ci-1', forClient: true, forServer: false });
    expect(ca).toBe(read('ca.pem'));
  });

  it.each(['../up', 'local', '', 'a/b', '-x'])('refuses the name "%s"', async (name) => {
    expect(await failureOf(createClientIdentity(directory, name))).toMatchObject({ code: 'USAGE' });
  });

  it('refuses a name that is taken', async () => {
    await createClientIdentity(directory, 'ci');
    expect(await failureOf(createClientIdentity(directory, 'ci'))).toMatchObject({ code: 'USAGE' });
  });
});

describe('revokeIdentity()', () => {
  it('refuses the certificate from then on, and no other', async () => {
    const one = await createClientIdentity(directory, 'one');
    const two = await createClientIdentity(directory, 'two');
    const check = createRevocationCheck(directory);
    const peer = (serialNumber: string) => ({
      peer: { address: 'x', identity: 'x', serialNumber, keyDigest: undefined },
    });
    check(peer(one.serialNumber));
    await revokeIdentity(directory, 'one');
    expect(() => check(peer(one.serialNumber))).toThrow(/was revoked/);
    check(peer(two.serialNumber));
    expect(listIdentities(directory)).toEqual([two]);
    await createClientIdentity(directory, 'one');
  });

  it('names the clients that there are', async () => {
    await createClientIdentity(directory, 'one');
    expect(await failureOf(revokeIdentity(directory, 'none'))).toMatchObject({ hint: 'There are: one.' });
  });
});
