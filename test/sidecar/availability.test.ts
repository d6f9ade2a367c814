import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ensureTlsDirectory } from '../../src/rpc/index.ts';
import { type Fixture, observe, openFixture } from './sidecar-fixture.ts';

let fixture: Fixture;
beforeEach(async () => {
  fixture = await openFixture();
});
afterEach(() => fixture.close());

const reasonsOf = async (address: string, env: Readonly<Record<string, string>> = {}): Promise<string> => {
  const found = await fixture.backend(address, env).isAvailable(observe().context);
  return found.available ? `available: ${found.details}` : found.reasons.join('; ');
};

describe('isAvailable()', () => {
  it('tells version and builder of a daemon that serves', async () => {
    const { address } = await fixture.serve({});
    expect(await reasonsOf(address)).toBe(`available: ${address}, version 9.9, builds with native`);
  });

  it('says that a daemon does not serve', async () => {
    const { address } = await fixture.serve({ health: async () => ({ status: 2, detail: 'about to end' }) });
    expect(await reasonsOf(address)).toBe(`the build daemon at ${address} does not serve: about to end`);
  });

  it('says that nothing listens', async () => {
    const { address, close } = await fixture.serve({});
    await close({ graceMs: 0 });
    expect(await reasonsOf(address)).toContain('nothing listens there');
  });

  it('says which TLS file is not there', async () => {
    const { address } = await fixture.serve({});
    rmSync(join(fixture.tlsDirectory, 'cert.pem'));
    expect(await reasonsOf(address)).toContain(join(fixture.tlsDirectory, 'cert.pem'));
  });

  it('says that the certificate is refused', async () => {
    const { address } = await fixture.serve({});
    const other = join(fixture.root, 'other');
    await ensureTlsDirectory(other);
    expect(await reasonsOf(address, { ZLAYER_BUILDD_TLS_DIR: other })).toContain(
      'its certificate was not signed for a server by the CA',
    );
  });

  it('says what is wrong with the address', async () => {
    expect(await reasonsOf('nonsense')).toContain('ZLAYER_BUILDD_ADDR has "nonsense"');
  });

  it('takes what the daemon lacks into its capabilities, and what it does not know of', async () => {
    const { address } = await fixture.serve({
      inspect: async () => ({ protocol: 2, lacking: { 'network-host': 'not granted', squash: '', 'cache-to': '' } }),
    });
    const backend = fixture.backend(address);
    expect(backend.capabilities['network-host']).toBe(true);
    await backend.isAvailable(observe().context);
    expect(backend.capabilities['network-host']).toBe('not granted');
    expect([backend.capabilities.squash, backend.capabilities['cache-to']]).toEqual([true, true]);
    // It would be dropped without a word.
    expect(backend.capabilities['context-layout']).toMatch(/needs a newer daemon/);
  });

  it('asks a daemon of an earlier version for nothing that its messages cannot say', async () => {
    const lacking = { squash: '', 'cache-to': '', 'context-layout': '' };
    const { address } = await fixture.serve({ inspect: async () => ({ protocol: 1, lacking }) });
    const backend = fixture.backend(address);
    await backend.isAvailable(observe().context);
    const { squash, 'cache-to': cacheTo, 'context-layout': layout } = backend.capabilities;
    expect(squash).toBe(true);
    for (const reason of [cacheTo, layout]) expect(reason).toMatch(/which this one lacks/);
  });

  it('is not fooled by files that were left behind', async () => {
    writeFileSync(join(fixture.tlsDirectory, 'key.pem'), 'nonsense');
    const { address } = await fixture.serve({});
    expect(await reasonsOf(address)).toContain('is not the key of');
  });
});
