import type { BuildRequest, BuildResult } from '../../src/backends/index.ts';
import type { Services } from '../../src/cli/services.ts';
import type { BuildEvent, Digest } from '../../src/core/index.ts';

/** A digest that is easy to see. */
export function fakeDigest(character: string): Digest {
  return `sha256:${character.repeat(64)}`;
}

export const RESULT: BuildResult = {
  digest: fakeDigest('a'),
  configDigest: fakeDigest('b'),
  mediaType: 'application/vnd.oci.image.manifest.v1+json',
  manifestSizeBytes: 527,
  platform: { os: 'linux', architecture: 'amd64' },
  config: { os: 'linux', architecture: 'amd64', rootfs: { type: 'layers', diff_ids: [fakeDigest('c')] } },
  layers: [
    {
      diffId: fakeDigest('c'),
      digest: fakeDigest('c'),
      mediaType: 'application/vnd.oci.image.layer.v1.tar',
      sizeBytes: 57_500_000,
    },
  ],
  sizeBytes: 57_500_000,
  references: ['docker.io/me/app:1.0', 'docker.io/library/app:latest'],
  steps: [
    { vertex: 'v1', name: '[1/2] FROM scratch', verdict: { kind: 'cached', reason: 'same' } },
    { vertex: 'v2', name: '[2/2] COPY . .', verdict: { kind: 'run', reason: 'new' } },
  ],
  durationMs: 4310,
  warnings: [],
};

/** A builder that keeps the requests it gets, sends events, and ends with a result or an error. */
export function createFakeBuilder(
  options: { readonly events?: readonly BuildEvent[]; readonly error?: Error; readonly result?: BuildResult } = {},
): { readonly services: Pick<Services, 'build'>; readonly requests: BuildRequest[] } {
  const requests: BuildRequest[] = [];
  return {
    requests,
    services: {
      build: async (request, { onEvent }) => {
        requests.push(request);
        for (const event of options.events ?? []) onEvent(event);
        if (options.error !== undefined) throw options.error;
        return options.result ?? RESULT;
      },
    },
  };
}
