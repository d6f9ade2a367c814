/** A consumer whose needs an image is made for. */
export type Preset = 'lambda' | 'cloud-run' | 'docker-v2';

/** What a consumer of images documents of those that it takes. */
export interface PresetRules {
  /** For messages. */
  readonly consumer: string;
  /** Where it is documented. */
  readonly source: string;
  /** Undefined: any. A single one is the default of a build. */
  readonly platforms?: readonly string[];
  /** Of all layers, uncompressed. */
  readonly maxBytes?: number;
  readonly maxLayers?: number;
}

/**
 * Consumers that refuse modern images, with what they document. All get Docker's manifest V2, schema 2 with gzip layers, which
 * each of them names among what it takes, and no index.
 */
export const PRESETS: Readonly<Record<Preset, PresetRules>> = {
  /** Images for one architecture; functions from multi-architecture images are refused. */
  lambda: {
    consumer: 'AWS Lambda',
    source: 'https://docs.aws.amazon.com/lambda/latest/dg/images-create.html',
    platforms: ['linux/amd64', 'linux/arm64'],
    maxBytes: 10_000_000_000,
  },
  /** Programs for the x86-64 ABI of Linux; no limit of the size. */
  'cloud-run': {
    consumer: 'Google Cloud Run',
    source: 'https://cloud.google.com/run/docs/container-contract',
    platforms: ['linux/amd64'],
  },
  /** Registries and engines that know no OCI media types. moby's layer store chains 125 layers at most. */
  'docker-v2': {
    consumer: "Docker's classic image store",
    source: 'https://distribution.github.io/distribution/spec/manifest-v2-2/',
    maxLayers: 125,
  },
};
