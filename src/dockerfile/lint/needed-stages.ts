import type { Instruction } from '../types.ts';

interface StageLike<S> {
  readonly stage: { readonly index: number; readonly name?: string; readonly instructions: readonly Instruction[] };
  readonly parent?: S;
}

/** The stages that a target is made of: its bases and what it copies or mounts from. Without target: all. */
export function neededStages<S extends StageLike<S>>(stages: readonly S[], target: string | undefined): ReadonlySet<S> {
  if (target === undefined) return new Set(stages);
  const needed = new Set<S>();
  const last = findStage(stages, target);
  const open = last === undefined ? [] : [last];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (needed.has(next)) continue;
    needed.add(next);
    if (next.parent !== undefined) open.push(next.parent);
    const names = next.stage.instructions.flatMap(namesIn);
    open.push(...names.map((name) => findStage(stages, name)).filter((stage) => stage !== undefined));
  }
  return needed;
}

function findStage<S extends StageLike<S>>(stages: readonly S[], name: string): S | undefined {
  return (
    stages.findLast(({ stage }) => stage.name === name.toLowerCase()) ??
    stages.find(({ stage }) => String(stage.index) === name)
  );
}

/** Names of stages or images that an instruction takes files from. */
function namesIn(instruction: Instruction): readonly string[] {
  if (instruction.kind === 'copy') return instruction.from === undefined ? [] : [instruction.from];
  if (instruction.kind !== 'run') return [];
  return instruction.mounts.flatMap((mount) => /(?:^|,)from=([^,]+)/i.exec(mount)?.[1] ?? []);
}
