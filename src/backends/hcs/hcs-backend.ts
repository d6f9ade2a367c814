import { createBackendWithoutEngine } from '../backend-without-engine.ts';
import type { BuildBackend } from '../types.ts';

/** Windows images on Windows, with the Host Compute Service: known, but without an engine in this version. */
export function createHcsBackend(): BuildBackend {
  return createBackendWithoutEngine({
    name: 'hcs',
    reason: 'this version cannot build on Windows yet',
    hint: 'Linux images can be built from here: start `zlayer buildd` on a Linux host and set ZLAYER_BUILDD_ADDR to its address.',
  });
}
