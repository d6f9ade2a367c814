import { createLayerWriter, type WrittenLayer } from '../../archive/index.ts';
import { type RunContext, throwIfCancelled } from '../../core/index.ts';
import type { LayerRef } from '../../oci/index.ts';
import type { Lease, Store } from '../../store/index.ts';
import { ingestLayer } from '../ingest-layer.ts';
import { feedMember } from './feed-member.ts';
import type { ChangedItem } from './from-overlay-form.ts';

/** What a step changed, and where it goes. */
export interface LayerCommit {
  readonly changes: AsyncIterable<ChangedItem>;
  readonly clampMtime: number | undefined;
  readonly lease: Lease;
}

/** Writes changes as a layer into a store, with its table of contents. Nothing of it stays when that fails. */
export function commitLayer(
  store: Store,
  { changes, clampMtime, lease }: LayerCommit,
  { signal }: RunContext,
): Promise<LayerRef> {
  return ingestLayer({ store, lease }, async (sink): Promise<WrittenLayer> => {
    const writer = createLayerWriter(sink, { clampMtime });
    try {
      for await (const item of changes) {
        throwIfCancelled(signal);
        if ('whiteout' in item) writer.add(item);
        else await feedMember(item, { writer, drained: () => Promise.resolve() });
      }
      return writer.finish();
    } finally {
      writer.close();
    }
  });
}
