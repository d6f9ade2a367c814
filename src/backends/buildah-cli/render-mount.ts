import { digestHex, digestOf } from '../../core/index.ts';
import type { ExecMount } from '../../graph/index.ts';

/** What the renderer knows of a mount. */
export interface MountFacts {
  /** The image that lends the files of a bind mount, and where they are in it. */
  readonly from?: string;
  readonly path?: string;
  readonly cache?: { readonly id: string; readonly sharing: 'shared' | 'locked' } | undefined;
}

/** The id by which buildah knows a secret or an ssh agent: any text can be an id of ours. */
export function buildahId(id: string): string {
  return digestHex(digestOf(id)).slice(0, 32);
}

/** What buildah's parser would take apart, or take for a variable. */
const ODD = /[\s,"'\\$]/;

/** Whether a value can stand in a mount. */
export function isPlain(value: string): boolean {
  return value !== '' && !ODD.test(value);
}

/** The value of a `--mount`. What stands in it is plain: `checkSayable` has seen to that, and odd sources are delivered. */
export function renderMount(mount: ExecMount, facts: MountFacts): string {
  const flags =
    mount.kind === 'bind' && !mount.readonly ? ['rw'] : mount.kind === 'cache' && mount.readonly ? ['ro'] : [];
  return [`type=${mount.kind}`, ...fieldsOf(mount, facts).map(([name, value]) => `${name}=${value}`), ...flags].join(
    ',',
  );
}

type Field = readonly [name: string, value: string];

function fieldsOf(mount: ExecMount, facts: MountFacts): readonly Field[] {
  switch (mount.kind) {
    case 'bind':
      return [
        ['from', facts.from ?? ''],
        ['source', facts.path ?? mount.source],
        ['target', mount.target],
      ];
    case 'cache':
      return [
        ['id', facts.cache?.id ?? ''],
        ['target', mount.target],
        ['sharing', facts.cache?.sharing ?? 'shared'],
        ...ownerFields(mount),
      ];
    case 'tmpfs':
      return [
        ['target', mount.target],
        ...(mount.sizeBytes === undefined ? [] : [['tmpfs-size', String(mount.sizeBytes)] as const]),
      ];
    case 'secret':
    case 'ssh':
      return [
        ['id', buildahId(mount.id)],
        ...(mount.target === undefined ? [] : [['target', mount.target] as const]),
        ['required', String(mount.required)],
        ...ownerFields(mount),
      ];
  }
}

function ownerFields({
  mode,
  uid,
  gid,
}: {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}): readonly Field[] {
  return [
    ['mode', `0${mode.toString(8)}`],
    ['uid', String(uid)],
    ['gid', String(gid)],
  ];
}
