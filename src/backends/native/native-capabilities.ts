import { type Capabilities, FEATURES, type Feature } from '../needs/features.ts';

/** What native lacks here, and why. */
const LACKING: Partial<Record<Feature, string>> = {
  ...(process.versions['zstd'] === undefined
    ? { 'compression-zstd': 'needs Node.js 22.15 or later to write zstd' }
    : {}),
};

/** What native can do with the Node.js that it runs on. */
export const NATIVE_CAPABILITIES = Object.fromEntries(
  Object.keys(FEATURES).map((name) => [name, LACKING[name as Feature] ?? true]),
) as Capabilities;
