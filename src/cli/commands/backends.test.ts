import { describe, expect, it } from 'vitest';
import { runFake } from '../../../test/cli/fake-context.ts';
import type { BackendReport } from '../../backends/index.ts';

const REPORT: BackendReport = {
  host: 'linux/amd64',
  backends: [
    { name: 'native', aliases: [], status: 'available', details: ['runs steps as root'], lacking: {} },
    {
      name: 'buildah-cli',
      aliases: ['buildah', 'cli'],
      status: 'unavailable',
      details: [
        'buildah is not installed',
        'Install it with: apt-get install buildah, or set the path of one that is elsewhere',
      ],
    },
    {
      name: 'buildah-sidecar',
      aliases: ['sidecar', 'buildd'],
      status: 'started-on-demand',
      details: ['Starts a daemon of this user when it is asked for.'],
      lacking: { 'step-device': 'the daemon has none' },
    },
  ],
  decisions: [
    {
      images: 'linux',
      order: ['buildah-sidecar', 'native'],
      backend: 'native',
      origin: 'automatic',
      reason: 'Linux can run steps without any other program.',
    },
    {
      images: 'windows',
      order: [],
      backend: undefined,
      origin: 'automatic',
      reason: 'Windows images cannot be built on this host, which is Linux: they need a Windows host.',
    },
  ],
};

const services = { describeBackends: async () => REPORT };

describe('zlayer backends', () => {
  it('shows every backend with what was found, and who builds and why, within 80 columns', async () => {
    const { stdout, status } = await runFake(['backends'], { services });
    expect(status).toBe(0);
    expect(stdout).toBe(`Backends on this host (linux/amd64)

native           available  Runs steps as root.
buildah-cli      no         Buildah is not installed.
                            Install it with: apt-get install buildah, or set the
                            path of one that is elsewhere.
buildah-sidecar  on demand  Starts a daemon of this user when it is asked for.

Who builds

Linux images    native
                Linux can run steps without any other program.
                Tried in this order: buildah-sidecar, native.
Windows images  nobody
                Windows images cannot be built on this host, which is Linux:
                they need a Windows host.
`);
  });

  it('prints the whole report as JSON', async () => {
    const { stdout } = await runFake(['backends', '--format', 'json'], { services });
    expect(JSON.parse(stdout)).toEqual(REPORT);
  });

  it('shows control characters of what a program said as text', async () => {
    const [native, ...others] = REPORT.backends;
    const backends = [{ ...native!, details: ['version \u001b[31m1'] }, ...others];
    const { stdout } = await runFake(['backends'], {
      services: { describeBackends: async () => ({ ...REPORT, backends }) },
    });
    expect(stdout).not.toContain('\u001b');
  });
});
