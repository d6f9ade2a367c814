import { type RunContext, toBuildError } from '../../core/index.ts';
import type { Store } from '../../store/index.ts';
import type { Availability } from '../types.ts';
import { openExecutor } from './open-executor.ts';

const KINDS = { root: 'as root', userns: 'in a user namespace', 'userns-single': 'in a user namespace with one id' };

/** Whether steps can be isolated here. What was found once is remembered until the host changes. */
export async function probeNative(store: Store, context: RunContext): Promise<Availability> {
  if (process.platform !== 'linux') return { available: false, reasons: ['It runs steps in namespaces of Linux.'] };
  try {
    const { probe } = await openExecutor(store.root, (prefix) => store.makeTempDir(prefix), context);
    if (probe.kind !== 'none') return { available: true, details: `runs steps ${KINDS[probe.kind]}` };
    return { available: false, reasons: probe.reasons.map(sentenceOf) };
  } catch (thrown) {
    return { available: false, reasons: [toBuildError(thrown).message] };
  }
}

function sentenceOf({
  kind,
  reason,
  hint,
}: {
  readonly kind: string;
  readonly reason: string;
  readonly hint?: string;
}) {
  const way = kind === 'root' ? 'As root' : 'In a user namespace';
  return `${way}: ${reason}.${hint === undefined ? '' : ` ${hint}`}`;
}
