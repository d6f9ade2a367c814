import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { treeFromEntries } from '../../archive/index.ts';
import type { BuildEvent } from '../../core/index.ts';
import { readCdiDevices } from './cdi-specs.ts';
import { type OpenDevices, openDevices } from './open-devices.ts';

const home = mkdtempSync(join(tmpdir(), 'zlayer-cdi-'));
const [low, high] = [join(home, 'etc'), join(home, 'run')];
afterAll(() => rmSync(home, { recursive: true, force: true }));

function describeDevices(directory: string, name: string, spec: unknown): void {
  writeFileSync(join(directory, name), typeof spec === 'string' ? spec : JSON.stringify(spec));
}

/** A device that is known by a variable alone. */
function device(name: string, more: object = {}): object {
  return { name, containerEdits: { env: [`DEVICE=${name}`] }, ...more };
}

beforeAll(() => {
  for (const directory of [low, high]) mkdirSync(directory);
  const kind = 'acme.com/gpu';
  describeDevices(low, 'a.json', { kind, devices: [device('0'), device('1', { annotations: CLASS })] });
  describeDevices(low, 'hooks.json', {
    kind: 'acme.com/hooked',
    containerEdits: { hooks: [{ hookName: 'createContainer', path: '/bin/true' }] },
    devices: [device('h')],
  });
  describeDevices(low, 'b.yaml', 'kind: acme.com/yaml');
  describeDevices(high, 'a.json', { kind, devices: [{ name: '1', containerEdits: { env: ['DEVICE=above'] } }] });
  describeDevices(high, 'open.json', { kind: 'acme.com/open', annotations: OPEN, devices: [device('o')] });
});

const CLASS = { 'org.mobyproject.buildkit.device.class': 'fast' };
const OPEN = { 'org.mobyproject.buildkit.device.autoallow': 'true' };

function open(
  name: string,
  more: { readonly granted?: boolean; readonly directories?: readonly string[] } = {},
): OpenDevices {
  const { granted = true, directories = [low, high] } = more;
  const events: BuildEvent[] = [];
  const context = { signal: new AbortController().signal, emit: (event: BuildEvent) => void events.push(event) };
  return openDevices({ devices: [{ name, required: true, granted }], base: treeFromEntries([]), directories }, context);
}

describe('openDevices()', () => {
  it.each([
    ['acme.com/gpu=0', ['DEVICE=0']],
    ['acme.com/gpu', ['DEVICE=0']],
    ['acme.com/gpu=*', ['DEVICE=0', 'DEVICE=above']],
    ['acme.com/gpu=1', ['DEVICE=above']],
  ])('finds %s; a later directory goes first', (name, env) => {
    expect(open(name).env).toEqual(env);
  });
  it('finds the devices of a class', () => {
    expect(open('fast', { directories: [low] }).env).toEqual(['DEVICE=1']);
  });
  it('needs no grant where the description gives it', () => {
    expect(open('acme.com/open=o', { granted: false }).env).toEqual(['DEVICE=o']);
    expect(() => open('acme.com/gpu=0', { granted: false })).toThrow(
      expect.objectContaining({
        code: 'DOCKERFILE_INVALID',
        hint: expect.stringContaining('--allow device=acme.com/gpu=0'),
      }),
    );
  });
  it('refuses what a description asks for beyond nodes, mounts, variables and groups', () => {
    expect(() => open('acme.com/hooked=h')).toThrow(
      expect.objectContaining({ code: 'UNSUPPORTED', message: expect.stringContaining('asks for hooks') }),
    );
  });
  it('names what there is, and the files that are not read', () => {
    expect(() => open('acme.com/yaml=x')).toThrow(
      expect.objectContaining({ code: 'HOST_LACKS', hint: expect.stringMatching(/acme\.com\/gpu=0.*b\.yaml/) }),
    );
  });
  it.each(['/dev', '/nowhere/device', '/etc/passwd'])('does not take %s for a device node', (path) => {
    expect(() => open(path)).toThrow(expect.objectContaining({ code: 'HOST_LACKS' }));
  });
});

describe('readCdiDevices()', () => {
  it('refuses a file that is no description, and two devices of one name', () => {
    const directory = join(home, 'bad');
    mkdirSync(directory);
    describeDevices(directory, 'x.json', '{');
    expect(() => readCdiDevices([directory])).toThrow(expect.objectContaining({ code: 'HOST_LACKS' }));
    describeDevices(directory, 'x.json', { kind: 'a.b/c', devices: [device('1'), device('1')] });
    expect(() => readCdiDevices([directory])).toThrow(/described twice/);
  });
  it('finds nothing where there is no directory', () => {
    expect(readCdiDevices([join(home, 'none')])).toEqual({ devices: [], unread: [] });
  });
});
