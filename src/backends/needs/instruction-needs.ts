import { parseGitUrl, type SourceRange } from '../../core/index.ts';
import {
  type AddInstruction,
  type CopyInstruction,
  type Instruction,
  type Mount,
  parseMount,
  type RunInstruction,
  rangeOfFlag,
} from '../../dockerfile/index.ts';
import type { Feature } from './features.ts';

/** A feature, and the words that ask for it. */
export interface FeatureUse {
  readonly feature: Feature;
  readonly range: SourceRange;
}

/**
 * The features that an instruction asks for. What it says wrongly asks for nothing: that is an error of its own.
 * `expand` puts the values of variables into a word, as far as they are known before the build.
 */
export function featuresOfInstruction(
  instruction: Instruction,
  expand: (word: string) => string,
): readonly FeatureUse[] {
  switch (instruction.kind) {
    case 'run':
      return [...mountUses(instruction, expand), ...runUses(instruction)];
    case 'copy':
      return copyUses(instruction, expand);
    case 'add':
      return [...copyUses(instruction, expand), ...addUses(instruction, expand)];
    case 'healthcheck':
      return instruction.startIntervalNs === undefined
        ? []
        : [{ feature: 'health-start-interval', range: rangeOfFlag(instruction, 'start-interval') }];
    default:
      return [];
  }
}

function mountUses(instruction: RunInstruction, expand: (word: string) => string): readonly FeatureUse[] {
  return instruction.mounts.flatMap((text, nth) =>
    featuresOfMount(readMount(text, expand)).map((feature) => ({
      feature,
      range: rangeOfFlag(instruction, 'mount', nth),
    })),
  );
}

function readMount(text: string, expand: (word: string) => string): Mount | undefined {
  try {
    return parseMount(text, { expand });
  } catch {
    return undefined;
  }
}

function featuresOfMount(mount: Mount | undefined): readonly Feature[] {
  switch (mount?.kind) {
    case undefined:
      return [];
    case 'cache':
      return mount.sharing === 'shared' ? ['mount-cache'] : ['mount-cache', 'mount-cache-sharing'];
    case 'secret':
      return mount.env === undefined ? ['mount-secret'] : ['mount-secret', 'mount-secret-env'];
    default:
      return [`mount-${mount!.kind}`];
  }
}

function runUses(instruction: RunInstruction): readonly FeatureUse[] {
  const use = (feature: Feature, flag: string): FeatureUse => ({ feature, range: rangeOfFlag(instruction, flag) });
  return [
    ...(instruction.network === undefined ? [] : [use('step-network', 'network')]),
    ...(instruction.security === 'insecure' ? [use('step-insecure', 'security')] : []),
    ...(instruction.devices.length === 0 ? [] : [use('step-device', 'device')]),
  ];
}

function copyUses(
  instruction: AddInstruction | CopyInstruction,
  expand: (word: string) => string,
): readonly FeatureUse[] {
  const use = (feature: Feature, flag: string): FeatureUse => ({ feature, range: rangeOfFlag(instruction, flag) });
  const { link, parents, exclude, chmod, sources, range } = instruction;
  const isSymbolic = chmod !== undefined && !/^[0-7]*$/.test(expand(chmod));
  return [
    ...(link ? [use('copy-link', 'link')] : []),
    ...(parents ? [use('copy-parents', 'parents')] : []),
    ...(exclude.length === 0 ? [] : [use('copy-exclude', 'exclude')]),
    ...(isSymbolic ? [use('chmod-symbolic', 'chmod')] : []),
    ...(sources.some((source) => typeof source !== 'string') ? [{ feature: 'copy-heredoc', range } as const] : []),
  ];
}

function addUses(instruction: AddInstruction, expand: (word: string) => string): readonly FeatureUse[] {
  const { range, checksum, unpack, sources } = instruction;
  const kinds = new Set(sources.map((source) => (typeof source === 'string' ? remoteKind(expand(source)) : undefined)));
  return [
    ...(kinds.has('git') ? [{ feature: 'add-git', range } as const] : []),
    ...(kinds.has('url') ? [{ feature: 'add-url', range } as const] : []),
    ...(checksum === undefined
      ? []
      : [{ feature: 'add-checksum', range: rangeOfFlag(instruction, 'checksum') } as const]),
    ...(unpack === undefined ? [] : [{ feature: 'add-unpack', range: rangeOfFlag(instruction, 'unpack') } as const]),
  ];
}

function remoteKind(source: string): 'git' | 'url' | undefined {
  try {
    if (parseGitUrl(source) !== undefined) return 'git';
  } catch {
    return undefined;
  }
  return /^https?:\/\//i.test(source) ? 'url' : undefined;
}
