import { describe, expect, it } from 'vitest';
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
