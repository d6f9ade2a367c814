import { createBackendWithoutEngine } from '../backend-without-engine.ts';
import type { BuildBackend } from '../types.ts';

/** Linux images on macOS by itself: known, but without an engine in this version. */
export function createSandboxBackend(): BuildBackend {
  return createBackendWithoutEngine({
    name: 'sandbox',
    reason: 'this version cannot build on macOS by itself yet',
    hint: 'Start `zlayer buildd` on a Linux host, or in a Linux virtual machine, and set ZLAYER_BUILDD_ADDR to its address; or install buildah.',
  });
}
