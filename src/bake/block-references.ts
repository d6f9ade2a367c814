import type { Block, Expression } from './hcl/ast.ts';
import { evaluate, type Scope } from './hcl/evaluate.ts';
import { errorAt } from './hcl/reader.ts';
import type { Value } from './hcl/values.ts';
import type { ParsedFile } from './parsed-file.ts';

/** Kinds of blocks whose attributes expressions may ask for: `target.app.args.VERSION`, `group.default.targets`. */
const KINDS = ['target', 'group'];

/**
 * The values of `target` and `group` in expressions: objects by name, whose attributes are evaluated when they are asked for.
 * They are what the block itself says, without what it inherits; of blocks of one name the last that has the attribute counts.
 *
 * @throws BuildError `BAKE_INVALID`, when an attribute is asked for that needs itself.
 */
export function referencesToBlocks(files: readonly ParsedFile[], scope: () => Scope): ReadonlyMap<string, Value> {
  const evaluating: string[] = [];
  const blocksOf = (kind: string): ReadonlyArray<{ readonly file: ParsedFile['file']; readonly block: Block }> =>
    files.flatMap(({ file, body }) =>
      body.blocks.filter((block) => block.kind === kind).map((block) => ({ file, block })),
    );
  const attributeValue = (name: string, file: ParsedFile['file'], expression: Expression): Value => {
    if (evaluating.includes(name)) {
      throw errorAt(file, expression.range, `${name} needs itself: ${[...evaluating, name].join(' → ')}.`);
    }
    evaluating.push(name);
    try {
      return evaluate(file, expression, scope());
    } finally {
      evaluating.pop();
    }
  };
  const references = KINDS.map((kind): readonly [string, Value] => {
    const byName: Record<string, Record<string, Value>> = {};
    for (const { file, block } of blocksOf(kind)) {
      const label = block.labels[0] ?? '';
      // Its attributes depend on the variant: there is no one value.
      if (block.body.attributes.some(({ name }) => name === 'matrix')) continue;
      byName[label] ??= {};
      for (const { name, value } of block.body.attributes) {
        const get = (): Value => attributeValue(`${kind}.${label}.${name}`, file, value);
        Object.defineProperty(byName[label], name, { get, enumerable: true, configurable: true });
      }
    }
    return [kind, byName];
  });
  return new Map(references);
}
