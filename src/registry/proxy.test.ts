import { describe, expect, it } from 'vitest';
import { proxyAuthorization, proxyFor } from './proxy.ts';

const PROXY = 'http://proxy.example:3128';

describe('proxyFor()', () => {
  const find = (url: string, env: Readonly<Record<string, string>>) => proxyFor(new URL(url), env)?.href;

  it('reads the variable of the scheme, in lower case first, and takes an empty one for none', () => {
    expect(find('https://r.example/', { HTTPS_PROXY: PROXY })).toBe(`${PROXY}/`);
    expect(find('https://r.example/', { HTTPS_PROXY: PROXY, https_proxy: 'http://lower:1' })).toBe('http://lower:1/');
    expect(find('https://r.example/', { HTTPS_PROXY: PROXY, https_proxy: '' })).toBe(`${PROXY}/`);
    expect(find('http://r.example/', { http_proxy: PROXY })).toBe(`${PROXY}/`);
    expect(find('http://r.example/', { HTTPS_PROXY: PROXY })).toBeUndefined();
    expect(find('https://r.example/', { HTTP_PROXY: PROXY })).toBeUndefined();
    expect(find('https://r.example/', { HTTPS_PROXY: 'proxy.example:3128' })).toBe(`${PROXY}/`);
  });

  it.each([
    ['*', 'https://r.example/', false],
    ['r.example', 'https://r.example/', false],
    ['r.example', 'https://sub.r.example/', false],
    ['r.example', 'https://other-r.example/', true],
    ['.r.example', 'https://sub.r.example/', false],
    ['.r.example', 'https://r.example/', true],
    ['*.r.example', 'https://sub.r.example/', false],
    ['R.Example', 'https://r.example/', false],
    ['a, r.example', 'https://r.example/', false],
    ['a r.example', 'https://r.example/', false],
    ['r.example:443', 'https://r.example/', false],
    ['r.example:5000', 'https://r.example/', true],
    ['r.example:5000', 'https://r.example:5000/', false],
    ['10.0.0.0/8', 'https://10.1.2.3/', false],
    ['10.0.0.0/8', 'https://11.1.2.3/', true],
    ['10.0.0.0/8', 'https://ten.example/', true],
    ['10.1.2.3', 'https://10.1.2.3/', false],
    ['10.1.2.3:5000', 'https://10.1.2.3/', true],
    ['fd00::/8', 'https://[fd12::1]/', false],
    ['fd00::/8', 'https://[fe80::1]/', true],
    ['fd12::1', 'https://[fd12:0:0::1]/', false],
    ['[fd12::1]:443', 'https://[fd12::1]/', false],
    ['10.0.0.0/99,not/a/range', 'https://10.1.2.3/', true],
    ['', 'https://localhost:5000/', false],
    ['', 'https://127.0.0.1/', false],
    ['', 'https://[::1]/', false],
  ])('with NO_PROXY "%s" asks for %s through the proxy: %s', (noProxy, url, isProxied) => {
    const found = find(url, { HTTPS_PROXY: PROXY, NO_PROXY: noProxy });
    expect(found !== undefined).toBe(isProxied);
  });

  it.each(['socks5://user:sesame@proxy:1080', 'http://', 'http://bad host/'])(
    'refuses %s, and does not show it',
    (text) => {
      const refused = () => find('https://r.example/', { HTTPS_PROXY: text });
      expect(refused).toThrow(expect.objectContaining({ code: 'REGISTRY_CONFIG_INVALID' }));
      expect(refused).not.toThrow(/sesame/);
    },
  );
});

describe('proxyAuthorization()', () => {
  it('gives name and password as they are meant', () => {
    const expected = `Basic ${Buffer.from('ann:p@ss').toString('base64')}`;
    expect(proxyAuthorization(new URL('http://ann:p%40ss@proxy'))).toBe(expected);
    expect(proxyAuthorization(new URL('http://proxy'))).toBeUndefined();
  });
});
