import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { connect as connectTcp } from 'node:net';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createClientIdentity } from '../../src/buildd/index.ts';
import {
  BuildService,
  createServiceClient,
  ensureTlsDirectory,
  loadClientTls,
  loadServerTls,
  openChannel,
  SERVER_NAME,
  type TlsMaterial,
} from '../../src/rpc/index.ts';
import { type DaemonFixture, openDaemon } from './daemon-fixture.ts';

const YEAR_MS = 365 * 86_400_000;

let fixture: DaemonFixture;
beforeAll(async () => {
  fixture = await openDaemon();
});
afterAll(async () => {
  await fixture?.close();
});

async function call(tls: TlsMaterial): Promise<unknown> {
  const channel = openChannel({ address: fixture.daemon.address, tls });
  try {
    return await createServiceClient(channel, BuildService).health({}, { timeoutMs: 5_000 });
  } finally {
    channel.close();
  }
}

/** The PEM files of a folder, unchecked. */
function material(folder: string): TlsMaterial {
  const read = (name: string): string => readFileSync(join(folder, name), 'utf8');
  return { ca: read('ca.pem'), cert: read('cert.pem'), key: read('key.pem') };
}

describe('a connection', () => {
  it('is taken from a client of our CA', async () => {
    await expect(call(await fixture.clientTls())).resolves.toMatchObject({ status: 1 });
  });

  it('is refused from a client of another CA', async () => {
    const elsewhere = join(fixture.directory, 'elsewhere');
    await ensureTlsDirectory(elsewhere);
    const foreign = await loadClientTls(elsewhere);
    const { ca } = await fixture.clientTls();
    await expect(call({ ...foreign, ca })).rejects.toMatchObject({ code: 'BACKEND_UNAVAILABLE' });
  });

  it('is refused with an expired certificate of our CA', async () => {
    const { directory } = await createClientIdentity(fixture.tlsDirectory, 'late', { nowMs: Date.now() - 2 * YEAR_MS });
    const expired = material(directory);
    expect(Date.parse(new X509Certificate(expired.cert).validTo)).toBeLessThan(Date.now());
    await expect(call(expired)).rejects.toMatchObject({ code: 'BACKEND_UNAVAILABLE' });
  });

  it("is refused with the server's certificate as a client's", async () => {
    const server = await loadServerTls(fixture.tlsDirectory);
    await expect(call(server)).rejects.toMatchObject({ code: 'BACKEND_UNAVAILABLE' });
  });

  it('is refused without a certificate, and with TLS 1.2', async () => {
    const [host, port] = fixture.daemon.address.split(':');
    const own = await fixture.clientTls();
    const answerOf = (options: object): Promise<string> =>
      new Promise((resolve) => {
        const socket = connectTls({
          host: host!,
          port: Number(port),
          servername: SERVER_NAME,
          ALPNProtocols: ['h2'],
          ...options,
        });
        socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
        socket.on('close', () => resolve('closed'));
        // With TLS 1.3 a client learns of the refusal when it reads.
        socket.on('data', () => resolve('answered'));
        socket.on('secureConnect', () => socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0'));
      });
    expect(await answerOf(own)).toBe('answered');
    expect(await answerOf({ ca: own.ca })).not.toBe('answered');
    expect(await answerOf({ ...own, maxVersion: 'TLSv1.2' })).toMatch(/PROTOCOL_VERSION|ECONNRESET|closed/);
  });

  it('is refused over plain TCP', async () => {
    const [host, port] = fixture.daemon.address.split(':');
    const answer = await new Promise<Buffer>((resolve) => {
      const chunks: Buffer[] = [];
      const socket = connectTcp(Number(port), host!, () =>
        socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0'),
      );
      socket.on('data', (data) => chunks.push(data));
      socket.on('error', () => undefined);
      socket.on('close', () => resolve(Buffer.concat(chunks)));
    });
    // At most a TLS alert (record type 21), never an HTTP/2 frame.
    expect(answer.length === 0 || answer[0] === 21).toBe(true);
  });
});
