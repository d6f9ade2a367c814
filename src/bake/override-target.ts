import { BuildError, nearestWord } from '../core/index.ts';
import { ATTRIBUTES, type AttributeKind, type BakeTarget } from './types.ts';

/** `--set TARGET.KEY=VALUE`: TARGET may hold `*`. */
export interface Override {
  readonly pattern: string;
  readonly attribute: keyof BakeTarget;
  /** Of `args.NAME`, `labels.NAME`, `contexts.NAME` and `extra-hosts.NAME`. */
  readonly key: string | undefined;
  readonly value: string;
  /** `+=` adds to a list instead of replacing it. */
  readonly adds: boolean;
}

/** Names of the options as they are also written. */
const ALIASES: Readonly<Record<string, keyof BakeTarget>> = { platform: 'platforms', tag: 'tags', secrets: 'secret' };

/**
 * Reads the value of `--set`.
 *
 * @throws BuildError `USAGE`.
 */
export function parseOverride(text: string): Override {
  const found = /^([^.=]+)\.([^.=+]+)(?:\.([^=+]+))?(\+?=)(.*)$/s.exec(text);
  if (found === null) {
    throw new BuildError('USAGE', `--set takes TARGET.KEY=VALUE, not "${text}".`, {
      hint: 'Such as --set app.args.VERSION=1.0 or --set "*.platforms=linux/arm64".',
    });
  }
  const [, pattern = '', name = '', key, operator, value = ''] = found;
  const attribute = ALIASES[name] ?? (Object.hasOwn(ATTRIBUTES, name) ? (name as keyof BakeTarget) : undefined);
  if (attribute === undefined) {
    const nearest = nearestWord(name, Object.keys(ATTRIBUTES));
    throw new BuildError('USAGE', `--set "${text}": a target has no "${name}".`, {
      hint: nearest === undefined ? `It has: ${Object.keys(ATTRIBUTES).join(', ')}.` : `Did you mean "${nearest}"?`,
    });
  }
  const kind: AttributeKind = ATTRIBUTES[attribute];
  if ((kind === 'map') !== (key !== undefined)) {
    throw new BuildError(
      'USAGE',
      `--set "${text}": ${kind === 'map' ? `write ${name}.NAME` : `${name} has no parts`}.`,
    );
  }
  return { pattern, attribute, key, value, adds: operator === '+=' };
}

/** A target with the overrides that its name matches; of a list, the first replaces and those after it add. */
export function applyOverrides(
  target: BakeTarget,
  { name, overrides }: { readonly name: string; readonly overrides: readonly Override[] },
): BakeTarget {
  const changed = new Map<string, unknown>();
  for (const override of overrides) {
    if (!matches(override.pattern, name)) continue;
    const { attribute } = override;
    const adds = override.adds || changed.has(attribute);
    changed.set(attribute, overridden(changed.get(attribute) ?? target[attribute], { ...override, adds }));
  }
  return { ...target, ...Object.fromEntries(changed) };
}

function matches(pattern: string, name: string): boolean {
  const parts = pattern.split('*').map((part) => part.replace(/[\\^$.|?+()[\]{}]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`).test(name);
}

function overridden(before: unknown, { attribute, key, value, adds }: Override): unknown {
  const kind: AttributeKind = ATTRIBUTES[attribute];
  switch (kind) {
    case 'text':
      return value;
    case 'flag':
      return value === 'true' || value === '1';
    case 'map':
      return { ...(before as object | undefined), [key!]: value };
    case 'specs':
      return [...(adds ? ((before as readonly string[] | undefined) ?? []) : []), value];
    case 'list':
      return [...(adds ? ((before as readonly string[] | undefined) ?? []) : []), ...value.split(',')];
  }
}
