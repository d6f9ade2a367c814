import { createReadStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type BuildService, CHUNK_BYTES, type ServiceImplementation } from '../../rpc/index.ts';
import type { Store } from '../../store/index.ts';
import { readCompression } from '../request/read-compression.ts';
import { type DaemonState, requireServing } from './daemon-state.ts';

type Methods = Pick<ServiceImplementation<typeof BuildService>, 'export'>;

/** The method that brings an image to the client. */
export function createExportMethods(state: DaemonState, store: Store): Methods {
  return {
    async *export({ image, references, ...compression }, call) {
      requireServing(state);
      const layers = readCompression(compression);
      const end = state.activity.begin('export');
      let directory: string | undefined;
      try {
        directory = await store.makeTempDir('export');
        const destination = join(directory, 'image.tar');
        const backend = await state.backend();
        await backend.exportImage(
          { image, references, output: { kind: 'oci', destination, tar: true, ...layers } },
          { signal: call.signal, emit: () => undefined },
        );
        for await (const data of createReadStream(destination, { highWaterMark: CHUNK_BYTES })) {
          if (call.signal.aborted || state.stopping.aborted) return;
          yield { data: data as Buffer };
        }
      } finally {
        if (directory !== undefined) await rm(directory, { recursive: true, force: true });
        end();
      }
    },
  };
}
