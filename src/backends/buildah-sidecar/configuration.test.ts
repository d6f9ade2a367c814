import { describe, expect, it } from 'vitest';
import { readConfiguration, toGuestPath } from './configuration.ts';

describe('readConfiguration()', () => {
  it('takes files from below the data directory unless told otherwise', () => {
    expect(readConfiguration({}, '/data')).toEqual({
      address: undefined,
      tlsDirectory: '/data/buildd',
      contextMount: undefined,
      program: undefined,
      dataDir: '/data',
    });
  });

  it('reads all variables', () => {
    const env = {
      ZLAYER_BUILDD_ADDR: 'builder:7443',
      ZLAYER_BUILDD_TLS_DIR: '/tls',
      ZLAYER_BUILDD_CONTEXT_MOUNT: '/Users/me:/context',
      ZLAYER_BUILDD_BIN: '/opt/zlayer-buildd',
    };
    expect(readConfiguration(env, '/data')).toEqual({
      address: 'builder:7443',
      tlsDirectory: '/tls',
      contextMount: { host: '/Users/me', guest: '/context' },
      program: '/opt/zlayer-buildd',
      dataDir: '/data',
    });
  });

  it.each(['builder', 'https://builder:1', ':7443', 'a:99999'])('refuses the address "%s"', (address) => {
    expect(() => readConfiguration({ ZLAYER_BUILDD_ADDR: address }, '/data')).toThrow(
      expect.objectContaining({ code: 'USAGE' }),
    );
  });

  it.each(['/a', '/a:', ':/b', 'a:/b', '/a:b'])('refuses the mount "%s"', (mount) => {
    expect(() => readConfiguration({ ZLAYER_BUILDD_CONTEXT_MOUNT: mount }, '/data')).toThrow(
      expect.objectContaining({ code: 'USAGE' }),
    );
  });
});

describe('toGuestPath()', () => {
  const mount = { host: '/home/me', guest: '/context/' };

  it.each([
    ['/home/me', '/context/'],
    ['/home/me/a/b', '/context/a/b'],
    ['/home/me/../me/a', '/context/a'],
  ])('translates %s', (path, guest) => expect(toGuestPath(mount, path)).toBe(guest));

  it.each(['/home/meme/a', '/home', '/home/me/../you'])('finds %s outside', (path) =>
    expect(toGuestPath(mount, path)).toBeUndefined(),
  );
});
