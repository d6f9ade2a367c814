import { expect } from 'vitest';
import type { Contract } from '../contract.ts';
import type { Ask } from '../subject.ts';

/** What shows that a backend has a feature. */
export interface FeatureCase {
  /** The smallest request for it: refused where the backend has it not. */
  readonly ask: (contract: Contract) => Ask;
  /** Fails unless the effect is seen: in the image, the log, or a registry. */
  readonly observe: (contract: Contract, ask: Ask) => Promise<void>;
}

/** A case whose last step prints what shows the effect. */
export function printing(ask: FeatureCase['ask'], ...wanted: ReadonlyArray<string | RegExp>): FeatureCase {
  return {
    ask,
    observe: async ({ subject }, asked) => {
      const { log } = await subject.build(asked);
      for (const text of wanted) expect(log).toMatch(text);
    },
  };
}

const TYPES = [
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
];

/** The digests and types of what a registry holds under a name, asked without any of our code. */
export async function fetchManifest(host: string, name: string): Promise<PublishedManifest> {
  const [repository = '', tag = 'latest'] = name.split(/[:@](.*)/s);
  const headers = { accept: TYPES.join(', ') };
  const answer = await fetch(`http://${host}/v2/${repository}/manifests/${tag}`, { headers });
  expect(answer.status, `${host}/${name}`).toBe(200);
  const document = (await answer.json()) as Omit<PublishedManifest, 'digest'>;
  return { ...document, digest: answer.headers.get('docker-content-digest') ?? '' };
}

export interface PublishedManifest {
  readonly digest: string;
  readonly mediaType?: string;
  readonly layers?: ReadonlyArray<{ readonly mediaType: string; readonly digest: string }>;
  readonly manifests?: ReadonlyArray<{
    readonly digest: string;
    readonly platform?: { readonly architecture: string };
  }>;
  readonly annotations?: Readonly<Record<string, string>>;
}
