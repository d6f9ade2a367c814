import { describe, expect, it } from 'vitest';
import { parseChmod } from './parse-chmod.ts';
import { parseDevice } from './parse-device.ts';
import { parseDuration } from './parse-duration.ts';
import { parsePortSpec, parsePorts } from './parse-ports.ts';
import { parseSignal } from './parse-signal.ts';

const INVALID = expect.objectContaining({ code: 'DOCKERFILE_INVALID' });

describe('parsePorts()', () => {
  it('spells out ranges, adds tcp and merges duplicates', () => {
    expect(parsePorts(['80', '80/tcp', '80/udp', '3000-3002'])).toEqual([
      '80/tcp',
      '80/udp',
      '3000/tcp',
      '3001/tcp',
      '3002/tcp',
    ]);
  });
  it('stores protocols in lower case and drops what belongs to the host', () => {
    expect(parsePorts(['80/TCP', '8080:81', '127.0.0.1::82/sctp', '[::1]:1-2:83'])).toEqual([
      '80/tcp',
      '81/tcp',
      '82/sctp',
      '83/tcp',
    ]);
    expect(parsePortSpec('8080:81/UDP')).toEqual({ first: 81, last: 81, protocol: 'UDP', hasHostPart: true });
  });
  it.each(['', 'a', '80/foo', '65536', '5-3', '80-', '/tcp', 'x:80:80', '1-2:3-5', '-1'])('refuses %j', (word) => {
    expect(() => parsePorts([word])).toThrow(INVALID);
  });
});

describe('parseDuration()', () => {
  it.each([
    ['0', 0],
    ['1m30s', 90e9],
    ['0.5s', 5e8],
    ['.5ms', 5e5],
    ['-1s', -1e9],
    ['1h2m3s4ms5us6ns', 3_723_004_005_006],
    ['2µs', 2000],
    ['0.1s', 1e8],
  ])('reads %s', (text, nanoseconds) => {
    expect(parseDuration(text)).toBe(nanoseconds);
  });
  it.each(['', '5', 's', '1 s', '1d', '-', '1s5', '3000000h'])('refuses %j', (text) => {
    expect(() => parseDuration(text)).toThrow(INVALID);
  });
});

describe('parseChmod()', () => {
  it.each([
    ['755', 0o4600, false, 0o755],
    ['0755', 0o600, true, 0o755],
    ['7777', 0, false, 0o7777],
    ['u=rwX,go=rX', 0o600, false, 0o644],
    ['u=rwX,go=rX', 0o600, true, 0o755],
    ['u=rwX,go=rX', 0o100, false, 0o755],
    ['+x', 0o644, false, 0o755],
    ['a-w', 0o666, false, 0o444],
    ['g=u-w', 0o740, false, 0o750],
    ['o=', 0o777, false, 0o770],
    ['go=u', 0o700, false, 0o777],
    ['u+s,g+s', 0o755, false, 0o6755],
    ['+t', 0o777, true, 0o1777],
    ['=r', 0o4777, false, 0o444],
    ['u=rw', 0o4755, false, 0o655],
    ['o+s', 0o755, false, 0o755],
    ['u-x+w', 0o555, false, 0o655],
  ])('changes by %s the mode %o (directory: %s) to %o', (text, mode, isDirectory, expected) => {
    expect(parseChmod(text)(mode, isDirectory).toString(8)).toBe(expected.toString(8));
  });
  it.each(['', 'abc', '888', '77777', 'u', '+755', 'u=rwz', 'u+r,', 'a b', '0o755'])('refuses %j', (text) => {
    expect(() => parseChmod(text)).toThrow(INVALID);
  });
});

describe('parseSignal()', () => {
  it.each(['SIGTERM', 'term', '9', 'SIGRTMIN+3', 'RTMAX-14'])('takes %s', (text) => {
    expect(parseSignal(text)).toBe(text);
  });
  it.each(['SIGFOO', '', '0', '-9', 'RTMIN+99', '$S'])('refuses %j', (text) => {
    expect(() => parseSignal(text)).toThrow(INVALID);
  });
});

describe('parseDevice()', () => {
  it('reads a name and whether it is required', () => {
    expect(parseDevice('vendor.com/gpu=all,required')).toEqual({ name: 'vendor.com/gpu=all', required: true });
  });
  it('refuses a second name', () => {
    expect(() => parseDevice('a,name=b')).toThrow(INVALID);
  });
});
