import { BuildError, digestHex, digestOf } from '../../core/index.ts';
import type { ExecMount, Vertex } from '../../graph/index.ts';
import { unsayable } from './unsayable.ts';

/** A mount as buildah takes it. */
export interface MountText {
  readonly text: string;
  /** What its files are, for buildah's cache, which does not look at them. */
  readonly identity?: string;
}

/** What the renderer knows of a mount. */
export interface MountFacts {
  /** The stage that lends the files of a bind mount, and where they are in it. */
  readonly from?: string;
  readonly path?: string;
  readonly identity?: string;
  readonly cache?: { readonly id: string; readonly sharing: 'shared' | 'locked' } | undefined;
}

/** The id by which buildah knows a secret or an ssh agent: any text can be an id of ours. */
export function buildahId(id: string): string {
  return digestHex(digestOf(id)).slice(0, 32);
}

/** Renders the value of a `--mount`. @throws BuildError `UNSUPPORTED` for what buildah cannot be told. */
export function renderMount(vertex: Vertex, mount: ExecMount, facts: MountFacts): MountText {
  const fields = fieldsOf(vertex, mount, facts);
  for (const [, value] of fields) {
    if (/[\s,"'\\$]/.test(value)) throw unsayable(vertex, `the mount ${mount.kind} with "${value}"`);
  }
  const flags =
    mount.kind === 'bind' && !mount.readonly ? ['rw'] : mount.kind === 'cache' && mount.readonly ? ['ro'] : [];
  const text = [`type=${mount.kind}`, ...fields.map(([name, value]) => `${name}=${value}`), ...flags].join(',');
  return facts.identity === undefined ? { text } : { text, identity: facts.identity };
}

type Field = readonly [name: string, value: string];

function fieldsOf(vertex: Vertex, mount: ExecMount, facts: MountFacts): readonly Field[] {
  switch (mount.kind) {
    case 'bind':
      return [
        ['from', facts.from ?? ''],
        ['source', facts.path ?? mount.source],
        ['target', mount.target],
      ];
    case 'cache':
      if (mount.input !== undefined || mount.source !== '/') throw noSeed(vertex);
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

function noSeed({ info }: Vertex): BuildError {
  return new BuildError(
    'UNSUPPORTED',
    'The backend buildah-cli cannot begin a cache mount with files of a stage or image.',
    {
      location: info.location,
      hint: 'Fill the cache in a step, or use --backend native.',
    },
  );
}
