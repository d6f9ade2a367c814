import { createCa, createLeaf } from './tls/certificates.ts';
import type { TlsMaterial } from './tls/material.ts';

const HOUR_MS = 3_600_000;

/** Material of both ends of a connection, for tests. */
export interface TestTls {
  readonly server: TlsMaterial;
  readonly client: TlsMaterial;
}

/** A CA of its own with one server and one client. */
export async function createTestTls({ nowMs = Date.now(), clientName = 'tester' } = {}): Promise<TestTls> {
  const validity = { fromMs: nowMs - HOUR_MS, untilMs: nowMs + HOUR_MS };
  const ca = await createCa(validity);
  const server = await createLeaf(ca, { kind: 'server', names: [], validity });
  const client = await createLeaf(ca, { kind: 'client', name: clientName, validity });
  return { server: { ca: ca.cert, ...server }, client: { ca: ca.cert, ...client } };
}
