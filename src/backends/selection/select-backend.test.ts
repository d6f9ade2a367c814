import { describe, expect, it } from 'vitest';
import type { Availability } from '../types.ts';
import type { HostFacts } from './host-facts.ts';
import { BACKEND_KINDS, type BackendKind, type ImageOs } from './kinds.ts';
import { type BackendChoice, type Selection, selectBackend } from './select-backend.ts';

type Env = HostFacts['env'];

const PLATFORMS = { Linux: 'linux', macOS: 'darwin', Windows: 'win32', FreeBSD: 'freebsd' } as const;
type Host = keyof typeof PLATFORMS;

const DAEMON = { ZLAYER_BUILDD_ADDR: 'builder.example:7443' };

interface Case {
  readonly host: Host;
  readonly choice: BackendChoice;
  readonly env?: Env;
  /** What is there, of what is asked for. */
  readonly there?: readonly BackendKind[];
}

interface Outcome {
  readonly selection: Selection;
  readonly probed: readonly BackendKind[];
}

async function select({ host, choice, env = {}, there = [] }: Case): Promise<Outcome> {
  const probed: BackendKind[] = [];
  const probe = async (kind: BackendKind): Promise<Availability> => {
    probed.push(kind);
    return there.includes(kind)
      ? { available: true, details: 'is there' }
      : { available: false, reasons: [`${kind} is not there`] };
  };
  const facts: HostFacts = { platform: PLATFORMS[host], architecture: 'x64', env };
  return { selection: await selectBackend(probe, choice, facts), probed };
}

async function errorOf(given: Case): Promise<{ code: string; message: string; hint: string | undefined }> {
  return select(given).then(
    ({ selection }) => expect.fail(`${selection.backend} was selected`),
    (error) => error,
  );
}

const LINUX: BackendChoice = { os: 'linux' };
const WINDOWS: BackendChoice = { os: 'windows' };

describe('selectBackend() by the matrix', () => {
  it.each<[Host, Env, readonly BackendKind[], BackendKind, readonly BackendKind[]]>([
    ['Linux', {}, ['native', 'buildah-cli', 'buildah-sidecar'], 'native', ['native']],
    ['Linux', {}, ['buildah-cli', 'buildah-sidecar'], 'buildah-cli', ['native', 'buildah-cli']],
    ['Linux', DAEMON, ['buildah-sidecar'], 'buildah-sidecar', ['buildah-sidecar']],
    ['Linux', DAEMON, ['native', 'buildah-cli'], 'native', ['buildah-sidecar', 'native']],
    ['Linux', DAEMON, ['buildah-cli'], 'buildah-cli', ['buildah-sidecar', 'native', 'buildah-cli']],
    ['macOS', {}, ['buildah-cli'], 'buildah-cli', ['buildah-cli']],
    ['macOS', {}, [], 'sandbox', ['buildah-cli']],
    ['macOS', DAEMON, ['buildah-sidecar', 'buildah-cli'], 'buildah-sidecar', ['buildah-sidecar']],
    ['macOS', DAEMON, ['buildah-cli'], 'buildah-cli', ['buildah-sidecar', 'buildah-cli']],
    ['macOS', DAEMON, [], 'sandbox', ['buildah-sidecar', 'buildah-cli']],
    ['Windows', DAEMON, ['buildah-sidecar'], 'buildah-sidecar', ['buildah-sidecar']],
    ['FreeBSD', {}, ['buildah-cli'], 'buildah-cli', ['buildah-cli']],
  ])('on %s with %o and %o takes %s for Linux images', async (host, env, there, backend, probes) => {
    const { selection, probed } = await select({ host, choice: LINUX, env, there });
    expect(selection).toMatchObject({ backend, origin: 'automatic' });
    expect(probed).toEqual(probes);
    expect(selection.passedOver.map((each) => each.backend)).toEqual(probes.filter((kind) => kind !== backend));
  });

  it('takes hcs for Windows images on Windows, and asks nobody', async () => {
    const { selection, probed } = await select({ host: 'Windows', choice: WINDOWS, env: DAEMON });
    expect(selection.backend).toBe('hcs');
    expect(probed).toEqual([]);
  });

  it.each<Host>(['Linux', 'macOS', 'FreeBSD'])('refuses Windows images on %s', async (host) => {
    const error = await errorOf({ host, choice: WINDOWS, env: DAEMON, there: BACKEND_KINDS });
    expect(error).toMatchObject({
      code: 'UNSUPPORTED',
      message: expect.stringMatching(/^Windows images cannot be built on this host/),
      hint: expect.stringContaining('Windows host'),
    });
  });

  it('refuses Linux images on Windows without a daemon, and says how to get one', async () => {
    const error = await errorOf({ host: 'Windows', choice: LINUX, there: BACKEND_KINDS });
    expect(error).toMatchObject({ code: 'UNSUPPORTED', hint: expect.stringContaining('ZLAYER_BUILDD_ADDR') });
  });

  it('tells of everybody who could have built and is not there', async () => {
    const error = await errorOf({ host: 'FreeBSD', choice: LINUX, env: DAEMON });
    expect(error.code).toBe('BACKEND_UNAVAILABLE');
    expect(error.message).toContain('buildah-sidecar: buildah-sidecar is not there');
    expect(error.message).toContain('buildah-cli: buildah-cli is not there');
  });

  it('keeps the reasons of those that were passed over', async () => {
    const { selection } = await select({ host: 'Linux', choice: LINUX, env: DAEMON, there: ['native'] });
    expect(selection.passedOver).toEqual([{ backend: 'buildah-sidecar', reasons: ['buildah-sidecar is not there'] }]);
  });
});

const IMAGES: Readonly<Record<BackendKind, ImageOs>> = {
  native: 'linux',
  'buildah-cli': 'linux',
  'buildah-sidecar': 'linux',
  sandbox: 'linux',
  hcs: 'windows',
};

/** Where each backend may be asked for, without a daemon's address. */
const HOSTS: Readonly<Record<BackendKind, readonly Host[]>> = {
  native: ['Linux'],
  'buildah-cli': ['Linux', 'macOS', 'FreeBSD'],
  'buildah-sidecar': ['Linux'],
  sandbox: ['macOS'],
  hcs: ['Windows'],
};

const PAIRS = BACKEND_KINDS.flatMap((kind) =>
  (Object.keys(PLATFORMS) as readonly Host[]).map((host) => [kind, host] as const),
);

describe('selectBackend() of a named backend', () => {
  it.each(PAIRS)('%s on %s: taken without a probe, or refused with host and backend', async (backend, host) => {
    const choice = { backend, os: IMAGES[backend] };
    if (HOSTS[backend].includes(host)) {
      const { selection, probed } = await select({ host, choice });
      expect(selection).toMatchObject({ backend, origin: 'option' });
      expect(probed).toEqual([]);
      return;
    }
    const error = await errorOf({ host, choice, there: BACKEND_KINDS });
    expect(error.code).toBe('UNSUPPORTED');
    expect(error.message).toContain(`The backend ${backend} `);
    expect(error.message.toLowerCase()).toContain(host.toLowerCase());
    expect(error.hint).toBeTruthy();
  });

  it.each(PAIRS)(
    '%s on %s: images of the other system are refused, and that comes before the host',
    async (backend, host) => {
      const os = IMAGES[backend] === 'linux' ? 'windows' : 'linux';
      const error = await errorOf({ host, choice: { backend, os }, there: BACKEND_KINDS });
      expect(error.code).toBe('UNSUPPORTED');
      expect(error.message).toMatch(
        new RegExp(`^The backend ${backend} builds (Linux|Windows) images, and .* (Linux|Windows) one`),
      );
    },
  );

  it.each<Host>(['macOS', 'Windows', 'FreeBSD'])(
    'takes the sidecar on %s where a daemon is configured',
    async (host) => {
      const { selection } = await select({ host, choice: { backend: 'buildah-sidecar', os: 'linux' }, env: DAEMON });
      expect(selection.backend).toBe('buildah-sidecar');
    },
  );

  it('says what would work instead', async () => {
    const linux = await errorOf({ host: 'Linux', choice: { backend: 'sandbox', os: 'linux' } });
    expect(linux.hint).toBe('Linux images are built on this host with native, buildah-cli or buildah-sidecar.');
    const mac = await errorOf({ host: 'macOS', choice: { backend: 'native', os: 'linux' }, env: DAEMON });
    expect(mac.hint).toBe('Linux images are built on this host with buildah-cli or buildah-sidecar.');
  });
});

describe('selectBackend() by ZLAYER_BACKEND', () => {
  it('takes what the variable names, by an alias in any case', async () => {
    const { selection, probed } = await select({ host: 'Linux', choice: LINUX, env: { ZLAYER_BACKEND: ' Buildah ' } });
    expect(selection).toMatchObject({ backend: 'buildah-cli', origin: 'environment' });
    expect(probed).toEqual([]);
  });

  it('comes after the option, and before the matrix', async () => {
    const env = { ZLAYER_BACKEND: 'buildah', ...DAEMON };
    const option = await select({
      host: 'Linux',
      choice: { backend: 'native', os: 'linux' },
      env,
      there: BACKEND_KINDS,
    });
    expect(option.selection.backend).toBe('native');
    const variable = await select({ host: 'Linux', choice: LINUX, env, there: BACKEND_KINDS });
    expect(variable.selection.backend).toBe('buildah-cli');
  });

  it.each(['', '  '])('counts as unset with "%s", as docker takes an empty variable', async (value) => {
    const { selection } = await select({
      host: 'Linux',
      choice: LINUX,
      env: { ZLAYER_BACKEND: value },
      there: ['native'],
    });
    expect(selection).toMatchObject({ backend: 'native', origin: 'automatic' });
  });

  it('is named in the errors about it', async () => {
    const unknown = await errorOf({ host: 'Linux', choice: LINUX, env: { ZLAYER_BACKEND: 'dockre' } });
    expect(unknown).toMatchObject({
      code: 'USAGE',
      message: expect.stringMatching(/^ZLAYER_BACKEND=dockre: There is no/),
    });
    const elsewhere = await errorOf({ host: 'Linux', choice: LINUX, env: { ZLAYER_BACKEND: 'sandbox' } });
    expect(elsewhere).toMatchObject({
      code: 'UNSUPPORTED',
      message: expect.stringMatching(/^ZLAYER_BACKEND=sandbox: The backend sandbox cannot be used on this host/),
      hint: expect.stringContaining('native'),
    });
  });

  it('is not read where the option decides', async () => {
    const env = { ZLAYER_BACKEND: 'dockre' };
    const { selection } = await select({ host: 'Linux', choice: { backend: 'native', os: 'linux' }, env });
    expect(selection.backend).toBe('native');
  });
});
