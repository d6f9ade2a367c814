import { type AddressInfo, connect as connectTcp, createServer } from 'node:net';
import { type ConnectionOptions, connect } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  BuildService,
  createServiceClient,
  openChannel,
  openServer,
  parseAddress,
  probeConnection,
  type RpcServer,
  serveService,
} from '../index.ts';
import { createTestTls, type TestTls } from '../test-tls.ts';
import { createCa, createLeaf, type Validity } from './certificates.ts';
import type { TlsMaterial } from './material.ts';

let tls: TestTls;
let foreign: TestTls;
let server: RpcServer;

beforeAll(async () => {
  [tls, foreign] = await Promise.all([createTestTls(), createTestTls()]);
  const services = [serveService(BuildService, { health: async () => ({ status: 1 }) })];
  server = await openServer(services, { address: '127.0.0.1:0', tls: tls.server });
});
afterAll(() => server.close({ graceMs: 0 }));

const port = (): number => Number(server.address.split(':').at(-1));

/** `open` once the server has answered over TLS; with TLS 1.3 a client learns only then that its certificate is refused. */
function handshake(options: ConnectionOptions): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(
      { host: '127.0.0.1', port: port(), servername: 'zlayer-buildd', ALPNProtocols: ['h2'], ...options },
      () => socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0'),
    );
    socket.once('data', () => {
      resolve(`open ${socket.getProtocol()}`);
      socket.destroy();
    });
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    socket.once('close', () => resolve('closed'));
  });
}

async function health(material: TlsMaterial): Promise<string> {
  const channel = openChannel({ address: server.address, tls: material });
  try {
    await createServiceClient(channel, BuildService).health({}, { timeoutMs: 5000 });
    return 'served';
  } catch (error) {
    return (error as { code: string }).code;
  } finally {
    channel.close();
  }
}

describe('openServer()', () => {
  it('serves a client of its CA over TLS 1.3', async () => {
    expect(await handshake(tls.client)).toBe('open TLSv1.3');
    expect(await health(tls.client)).toBe('served');
  });

  it('refuses TLS 1.2', async () => {
    expect(await handshake({ ...tls.client, maxVersion: 'TLSv1.2' })).toMatch(/VERSION/);
  });

  it('refuses a client without a certificate', async () => {
    expect(await handshake({ ca: tls.client.ca })).not.toMatch(/^open/);
  });

  it('refuses a certificate of another CA', async () => {
    expect(await handshake({ ...foreign.client, ca: tls.client.ca })).not.toMatch(/^open/);
    expect(await health({ ...foreign.client, ca: tls.client.ca })).toBe('BACKEND_UNAVAILABLE');
  });

  it("refuses a server's certificate from a client", async () => {
    expect(await handshake(tls.server)).not.toMatch(/^open/);
  });

  it('refuses an expired certificate', async () => {
    const ca = await createCa(hours(-2, 1));
    const expired = await createLeaf(ca, { kind: 'client', name: 'x', validity: hours(-2, -1) });
    const good = await createLeaf(ca, { kind: 'client', name: 'x', validity: hours(-2, 1) });
    const serverLeaf = await createLeaf(ca, { kind: 'server', names: [], validity: hours(-2, 1) });
    server.updateTls({ ca: ca.cert, ...serverLeaf });
    try {
      expect(await health({ ca: ca.cert, ...good })).toBe('served');
      expect(await health({ ca: ca.cert, ...expired })).toBe('BACKEND_UNAVAILABLE');
      // What was good before is not any more: the certificates were changed while the server ran.
      expect(await health(tls.client)).toBe('BACKEND_UNAVAILABLE');
    } finally {
      server.updateTls(tls.server);
    }
  });

  it('refuses plain TCP', async () => {
    const answer = await new Promise<string>((resolve) => {
      let bytes = '';
      const socket = connectTcp(port(), '127.0.0.1', () => socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'));
      socket.on('data', (chunk) => {
        bytes += chunk.toString('latin1');
      });
      socket.on('error', () => undefined);
      socket.on('close', () => resolve(bytes));
    });
    // At most a TLS alert (record type 21), never HTTP/2.
    expect(answer === '' || answer.startsWith('\x15')).toBe(true);
  });
});

describe('openChannel()', () => {
  it('refuses a server of another CA', async () => {
    expect(await health({ ...tls.client, ca: foreign.client.ca })).toBe('BACKEND_UNAVAILABLE');
  });

  it("refuses a client's certificate from a server", async () => {
    const impostor = await openServer([], { address: '127.0.0.1:0', tls: tls.client });
    const channel = openChannel({ address: impostor.address, tls: tls.client });
    const call = createServiceClient(channel, BuildService).health({}, { timeoutMs: 5000 });
    await expect(call).rejects.toMatchObject({ code: 'BACKEND_UNAVAILABLE' });
    channel.close();
    await impostor.close({ graceMs: 0 });
  });
});

describe('probeConnection()', () => {
  const probe = (material: TlsMaterial, address = server.address) =>
    probeConnection({ address, tls: material }, { timeoutMs: 5000 });

  it('finds nothing wrong with a connection that works', async () => {
    expect(await probe(tls.client)).toBeUndefined();
  });

  it('says what is wrong with the other ones', async () => {
    const ca = await createCa(hours(-2, 1));
    const server2 = await createLeaf(ca, { kind: 'server', names: [], validity: hours(-2, -1) });
    const client2 = await createLeaf(ca, { kind: 'client', name: 'x', validity: hours(-2, 1) });
    const expired = await openServer([], { address: '127.0.0.1:0', tls: { ca: ca.cert, ...server2 } });
    const plain = createServer((socket) => socket.on('error', () => undefined).end('HTTP/1.1 400 Bad Request\r\n\r\n'));
    await new Promise<void>((resolve) => plain.listen(0, '127.0.0.1', resolve));
    const plainAddress = `127.0.0.1:${(plain.address() as AddressInfo).port}`;
    try {
      expect(await probe({ ...foreign.client, ca: tls.client.ca })).toBe("it refuses this client's certificate");
      expect(await probe({ ...tls.client, ca: foreign.client.ca })).toMatch(/not signed for a server by the CA/);
      expect(await probe({ ca: ca.cert, ...client2 }, expired.address)).toBe('its certificate has expired');
      expect(await probe(tls.client, plainAddress)).toBe('what listens there speaks no TLS');
    } finally {
      await expired.close({ graceMs: 0 });
      plain.close();
    }
    expect(await probe(tls.client, plainAddress)).toBe('nothing listens there');
  });
});

describe('parseAddress()', () => {
  it.each([
    ['builder.example:8372', { host: 'builder.example', port: 8372 }],
    ['[::1]:80', { host: '::1', port: 80 }],
    ['127.0.0.1:0', { host: '127.0.0.1', port: 0 }],
  ])('reads %s', (text, address) => expect(parseAddress(text)).toEqual(address));

  it.each(['builder', ':80', '::1:80', 'a:70000', 'https://a:1', 'a b:1', ''])('refuses "%s"', (text) =>
    expect(parseAddress(text)).toBeUndefined(),
  );
});

function hours(from: number, until: number): Validity {
  return { fromMs: Date.now() + from * 3_600_000, untilMs: Date.now() + until * 3_600_000 };
}
