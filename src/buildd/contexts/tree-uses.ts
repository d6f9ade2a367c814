/** Which trees of one client builds need: those that are open, and those that were offered for builds that are still to come. */
export interface TreeUses {
  /** A build from this tree is to be expected. */
  offered(tree: string): void;
  /** A build has it until the returned function is called; calling it again does nothing. */
  opened(tree: string): () => void;
  /** Contents are on their way until the returned function is called: builds wait for them, however long it takes. */
  uploading(): () => void;
  isOpen(tree: string): boolean;
  isNeeded(tree: string): boolean;
}

/** A build comes so soon after its offer or its upload; one that has waited in the queue holds its trees. */
const AWAITED_MS = 3_600_000;

export function createTreeUses(now: () => number = Date.now): TreeUses {
  const open = new Map<string, number>();
  /** When a tree was offered for builds that have not opened it. */
  const awaited = new Map<string, number[]>();
  let uploads = 0;
  const isAwaited = (tree: string): boolean => {
    const offers = awaited.get(tree);
    if (offers === undefined) return false;
    const recent = uploads > 0 ? offers : offers.filter((offeredMs) => now() - offeredMs < AWAITED_MS);
    if (recent.length === 0) awaited.delete(tree);
    else awaited.set(tree, recent);
    return recent.length > 0;
  };
  return {
    offered: (tree) => void awaited.set(tree, [...(awaited.get(tree) ?? []), now()]),
    opened: (tree) => {
      open.set(tree, (open.get(tree) ?? 0) + 1);
      const [, ...others] = awaited.get(tree) ?? [];
      if (others.length === 0) awaited.delete(tree);
      else awaited.set(tree, others);
      return once(() => {
        const left = (open.get(tree) ?? 1) - 1;
        if (left > 0) open.set(tree, left);
        else open.delete(tree);
      });
    },
    uploading: () => {
      uploads += 1;
      return once(() => {
        uploads -= 1;
        // The hour begins when the last content has come.
        for (const [tree, offers] of awaited) awaited.set(tree, offers.map(now));
      });
    },
    isOpen: (tree) => open.has(tree),
    isNeeded: (tree) => open.has(tree) || isAwaited(tree),
  };
}

function once(work: () => void): () => void {
  let isDone = false;
  return () => {
    if (!isDone) work();
    isDone = true;
  };
}
