import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { lacksPrograms } from '../../../test/support/host.ts';
import type { RunContext } from '../../core/index.ts';
import { openStore, type Store } from '../../store/index.ts';
import { loadRequest } from './load-request.ts';

const CONTEXT: RunContext = { signal: new AbortController().signal, emit: () => undefined };
const BASIC = `Basic ${Buffer.from('x-access-token:t0ken').toString('base64')}`;

const lacksGit = lacksPrograms('loadRequest()', ['git']);

let home: string;
let store: Store;
let server: Server;
let url: string;
/** The `Authorization` headers of the requests since the last test. */
let seen: (string | undefined)[] = [];

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), 'zlayer-load-'));
  store = await openStore({ root: join(home, 'store') });
  writeFileSync(join(home, 'Dockerfile'), 'FROM scratch\n');
  server = createServer((request, response) => {
    seen.push(request.headers.authorization);
    response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/r.git`;
});

afterAll(() => {
  server.closeAllConnections();
  server.close();
  rmSync(home, { recursive: true, force: true });
});

describe.skipIf(lacksGit)('loadRequest()', () => {
  it('fetches a repository as context with the secrets of the request', async () => {
    seen = [];
    const secrets = { GIT_AUTH_TOKEN: { kind: 'value', value: 't0ken' } } as const;
    const work = loadRequest(store, { context: { kind: 'url', url }, secrets }, CONTEXT);
    await expect(work).rejects.toMatchObject({ code: 'GIT_FAILED' });
    expect(new Set(seen)).toEqual(new Set([BASIC]));
  });

  it('fetches named contexts with them, too', async () => {
    seen = [];
    const secrets = { GIT_AUTH_HEADER: { kind: 'value', value: 'Bearer b' } } as const;
    const request = { context: { kind: 'directory', path: home }, buildContexts: { other: url }, secrets } as const;
    await expect(loadRequest(store, request, CONTEXT)).rejects.toMatchObject({ code: 'GIT_FAILED' });
    expect(new Set(seen)).toEqual(new Set(['Bearer b']));
  });

  it('says which secret cannot be read', async () => {
    const secrets = { GIT_AUTH_TOKEN: { kind: 'file', path: join(home, 'none') } } as const;
    const work = loadRequest(store, { context: { kind: 'url', url }, secrets }, CONTEXT);
    await expect(work).rejects.toMatchObject({ code: 'SECRET_MISSING' });
  });
});
