import type { RunContext } from '../../core/index.ts';
import type { EngineEnv, OpResult } from '../types.ts';
import type { SourceTree } from './selection.ts';

/** The inputs of an op as trees; each is opened when it is first asked for. */
export interface InputTrees {
  open(index: number): Promise<SourceTree>;
  result(index: number): OpResult;
}

export function createInputTrees(env: EngineEnv, inputs: readonly OpResult[], context: RunContext): InputTrees {
  const opened = new Map<number, Promise<SourceTree>>();
  const result = (index: number): OpResult => {
    const input = inputs[index];
    if (input === undefined) throw new RangeError(`An op refers to input ${index}, but has ${inputs.length}.`);
    return input;
  };
  const openNow = async (index: number): Promise<SourceTree> => {
    const input = result(index);
    return input.kind === 'tree' ? input : { tree: await env.layers.view(input.layers, context) };
  };
  return {
    result,
    open: (index) => {
      const known = opened.get(index) ?? openNow(index);
      opened.set(index, known);
      return known;
    },
  };
}
