import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { BuildEvent } from '../../../src/core/index.ts';
import { type Contract, QUIET } from '../contract.ts';
import type { Built } from '../subject.ts';
import { SIGN_IN } from '../surroundings.ts';
import { type FeatureCase, fetchManifest, printing } from './feature-case.ts';

const FOREIGN = process.arch === 'arm64' ? 'amd64' : 'arm64';

/** How the steps of a build came about, by a word of their names. */
function verdictOf({ result }: Built, word: string): string | undefined {
  return result.steps.find(({ name }) => name.includes(word))?.verdict.kind;
}

/** A base image whose tag moves: `first` is built from once, then the tag names `second`. */
async function moveTag({ around, nonce, subject }: Contract): Promise<void> {
  await around.publish(`moving-${nonce}`, `first ${nonce}`);
  await subject.build({ lines: [`FROM ${around.door.host}/moving-${nonce}`, 'RUN cat /which'] });
  await around.publish(`moving-${nonce}`, `second ${nonce}`);
}

const movingLines = ({ around, nonce }: Contract): readonly string[] => [
  `FROM ${around.door.host}/moving-${nonce}`,
  'RUN echo "now $(cat /which)"',
];

/** Whether the times of two steps have nothing in common. */
function isApart(events: readonly BuildEvent[], [one, two]: readonly [string, string]): boolean {
  const spanOf = (id: string): readonly [number, number] => {
    const at = (kind: BuildEvent['kind']): number =>
      events.findIndex((event) => event.kind === kind && 'vertex' in event && event.vertex === id);
    return [at('vertex-started'), at('vertex-completed')];
  };
  const [first, second] = [spanOf(one), spanOf(two)];
  return first[1] < second[0] || second[1] < first[0];
}

/** What the options of a request can ask for. */
export const OPTION_CASES = {
  'no-cache': {
    ask: ({ base, nonce }) => ({ lines: [`FROM ${base}`, `RUN echo runs ${nonce}`], request: { noCache: true } }),
    observe: async ({ subject }, ask) => {
      await subject.build({ ...ask, request: {} });
      expect(verdictOf(await subject.build({ ...ask, request: {} }), 'echo runs')).toBe('cached');
      const again = await subject.build(ask);
      expect(verdictOf(again, 'echo runs')).toBe('run');
      expect(again.log).toContain('runs');
    },
  },
  'no-cache-filter': {
    ask: ({ base, nonce }) => ({
      lines: [`FROM ${base} AS one`, `RUN echo first ${nonce}`, 'FROM one AS two', `RUN echo second ${nonce}`],
      request: { noCacheFilter: ['two'] },
    }),
    observe: async ({ subject }, ask) => {
      await subject.build({ ...ask, request: {} });
      const built = await subject.build(ask);
      expect([verdictOf(built, 'echo first'), verdictOf(built, 'echo second')]).toEqual(['cached', 'run']);
    },
  },
  'pull-always': {
    ask: (contract) => ({ lines: movingLines(contract), request: { pull: 'always' } }),
    observe: async (contract, ask) => {
      await moveTag(contract);
      expect((await contract.subject.build({ ...ask, request: {} })).log).toContain('now first');
      expect((await contract.subject.build(ask)).log).toContain('now second');
    },
  },
  'pull-newer': {
    ask: (contract) => ({ lines: movingLines(contract), request: { pull: 'newer' } }),
    observe: async (contract, ask) => {
      const { subject, around } = contract;
      await moveTag(contract);
      expect((await subject.build(ask)).log).toContain('now second');
      around.door.setReachable(false);
      try {
        await expect(subject.build({ ...ask, request: { pull: 'newer', noCache: true } })).resolves.toBeTruthy();
      } finally {
        around.door.setReachable(true);
      }
    },
  },
  'pull-never': {
    ask: (contract) => ({ lines: movingLines(contract), request: { pull: 'never' } }),
    observe: async (contract, ask) => {
      const { subject, around, nonce } = contract;
      await around.publish(`moving-${nonce}`, 'there');
      await expect(subject.build(ask)).rejects.toMatchObject({ code: 'IMAGE_NOT_FOUND' });
      await moveTag(contract);
      expect((await subject.build(ask)).log).toContain('now first');
    },
  },
  'foreign-platform': {
    ask: ({ nonce }) => ({
      files: { file: nonce },
      lines: ['FROM scratch', 'COPY file /'],
      request: { platform: `linux/${FOREIGN}` },
    }),
    observe: async ({ subject }, ask) => {
      const { result } = await subject.build(ask);
      expect(result.platform.architecture).toBe(FOREIGN);
      expect(result.config.architecture).toBe(FOREIGN);
    },
  },
  'several-platforms': {
    ask: ({ nonce, around }) => ({
      files: { file: nonce },
      lines: ['FROM scratch', 'COPY file /'],
      request: { platform: 'linux/amd64,linux/arm64', tags: [`${around.registry}/both-${nonce}`], push: true },
    }),
    observe: async ({ subject, around, nonce }, ask) => {
      const { result } = await subject.build(ask);
      expect(result.images?.map(({ platform }) => platform.architecture)).toEqual(['amd64', 'arm64']);
      const { manifests = [] } = await fetchManifest(around.registry, `both-${nonce}`);
      expect(manifests.map(({ platform }) => platform?.architecture).toSorted()).toEqual(['amd64', 'arm64']);
    },
  },
  'context-directory': printing(
    ({ base, nonce, around }) => ({
      lines: [`FROM ${base}`, 'COPY --from=docs page /new', 'RUN cat /new'],
      request: { buildContexts: { docs: around.directory({ page: `beside ${nonce}` }) } },
    }),
    /beside/,
  ),
  'context-image': {
    ask: ({ base, nonce, around }) => ({
      lines: [`FROM ${base}`, 'COPY --from=other /which /new', 'RUN cat /new'],
      request: { buildContexts: { other: `docker-image://${around.registry}/named-${nonce}` } },
    }),
    observe: async ({ subject, around, nonce }, ask) => {
      await around.publish(`named-${nonce}`, `from an image ${nonce}`);
      expect((await subject.build(ask)).log).toContain('from an image');
    },
  },
  'context-layout': {
    ask: ({ base, nonce, around }) => ({
      lines: [`FROM ${base}`, 'COPY --from=other /new /again', 'RUN cat /again'],
      request: { buildContexts: { other: `oci-layout://${join(around.root, `layout-${nonce}`)}` } },
    }),
    observe: async ({ subject, base, around, nonce }, ask) => {
      const destination = join(around.root, `layout-${nonce}`);
      await subject.build({
        files: { new: `from a layout ${nonce}` },
        lines: [`FROM ${base}`, 'COPY new /'],
        request: { outputs: [{ kind: 'oci', destination, tar: false }] },
      });
      expect((await subject.build(ask)).log).toContain('from a layout');
    },
  },
  'context-target': printing(
    ({ base, nonce }) => ({
      lines: [
        `FROM ${base} AS one`,
        `RUN echo of a stage ${nonce} > /new`,
        `FROM ${base}`,
        'COPY --from=alias /new /',
        'RUN cat /new',
      ],
      request: { buildContexts: { alias: 'target:one' } },
    }),
    /of a stage/,
  ),
  parallelism: {
    ask: ({ base, nonce }) => ({
      lines: [
        `FROM ${base} AS one`,
        `RUN echo ${nonce} > /one`,
        `FROM ${base} AS two`,
        `RUN echo ${nonce} > /two`,
        'FROM scratch',
        'COPY --from=one /one /',
        'COPY --from=two /two /',
      ],
      request: { parallelism: 1 },
    }),
    observe: async ({ subject }, ask) => {
      const { result, events } = await subject.build(ask);
      const [one, two] = ['> /one', '> /two'].map(
        (word) => result.steps.find(({ name }) => name.includes(word))?.vertex,
      );
      expect(isApart(events, [one!, two!])).toBe(true);
    },
  },
  'source-date-epoch': {
    ask: ({ base, nonce }) => ({
      lines: [`FROM ${base}`, `RUN echo ${nonce}`],
      request: { sourceDateEpoch: 1_000_000_000 },
    }),
    observe: async ({ subject }, ask) => {
      const { result } = await subject.build(ask);
      expect(Date.parse(result.config.created ?? '')).toBe(1_000_000_000_000);
    },
  },
  'cache-from': {
    ask: ({ base, nonce, around }) => ({
      lines: [`FROM ${base}`, `RUN echo shared ${nonce}`],
      request: { cacheFrom: [{ kind: 'local', directory: join(around.root, `cache-${nonce}`) }] },
    }),
    observe: async ({ subject, around, nonce, another }, ask) => {
      const directory = join(around.root, `cache-${nonce}`);
      await subject.build({ ...ask, request: { cacheTo: [{ kind: 'local', directory, mode: 'max' }] } });
      const elsewhere = await another();
      expect(verdictOf(await elsewhere.build(ask), 'echo shared')).toBe('cached');
    },
  },
  'cache-to': {
    ask: ({ base, nonce, around }) => ({
      lines: [`FROM ${base}`, `RUN echo shared ${nonce}`],
      request: { cacheTo: [{ kind: 'local', directory: join(around.root, `cache-${nonce}`), mode: 'max' }] },
    }),
    observe: async ({ subject, around, nonce }, ask) => {
      await subject.build(ask);
      expect(existsSync(join(around.root, `cache-${nonce}`, 'index.json'))).toBe(true);
    },
  },
  credentials: {
    ask: ({ nonce, around }) => ({
      lines: [`FROM ${around.locked.host}/busybox`, `RUN echo signed in ${nonce}`],
      request: { credentials: { [around.locked.host]: { kind: 'basic', ...SIGN_IN } } },
    }),
    observe: async ({ subject }, ask) => {
      await expect(subject.build({ ...ask, request: {} })).rejects.toMatchObject({ kind: 'auth' });
      expect((await subject.build(ask)).log).toContain('signed in');
    },
  },
  strict: {
    ask: ({ nonce }) => ({
      files: { file: nonce },
      lines: ['FROM scratch', 'COPY file $UNDEFINED/new'],
      request: { strict: true },
    }),
    observe: async ({ subject }, ask) => {
      const { result } = await subject.build({ ...ask, request: {} });
      expect(result.layers).toHaveLength(1);
      await expect(subject.build(ask)).rejects.toMatchObject({
        code: 'DOCKERFILE_INVALID',
        message: expect.stringContaining('UNDEFINED'),
      });
    },
  },
  'cache-mounts-to': {
    ask: ({ base, nonce, around }) => ({
      lines: [`FROM ${base}`, `RUN --mount=type=cache,target=/c,id=${nonce} echo warm ${nonce} > /c/file`],
      request: { cacheMountsTo: [{ kind: 'registry', reference: `${around.registry}/mounts-to-${nonce}` }] },
    }),
    observe: async ({ subject, around, nonce }, ask) => {
      await subject.build(ask);
      const { layers = [] } = await fetchManifest(around.registry, `mounts-to-${nonce}`);
      expect(layers.map(({ mediaType }) => mediaType)).toContain('application/vnd.zlayer.cache-mounts.pack.v1+gzip');
    },
  },
  'cache-mounts-from': {
    ask: ({ base, nonce, around }) => ({
      lines: [`FROM ${base}`, `RUN --mount=type=cache,target=/c,id=${nonce} cat /c/file || echo cold`],
      request: { cacheMountsFrom: [{ kind: 'registry', reference: `${around.registry}/mounts-from-${nonce}` }] },
    }),
    observe: async ({ subject, base, around, nonce, another }, ask) => {
      await subject.build({
        lines: [`FROM ${base}`, `RUN --mount=type=cache,target=/c,id=${nonce} echo warm ${nonce} > /c/file`],
        request: { cacheMountsTo: [{ kind: 'registry', reference: `${around.registry}/mounts-from-${nonce}` }] },
      });
      const elsewhere = await another();
      expect((await elsewhere.build(ask)).log).toContain(`warm ${nonce}`);
    },
  },
  plan: {
    ask: ({ base, nonce }) => ({
      lines: [`FROM ${base}`, `RUN echo planned ${nonce}`],
      request: { tags: [`planned-${nonce}`] },
    }),
    observe: async ({ subject, nonce }, ask) => {
      const plan = await subject.plan(ask);
      expect(plan.steps.find(({ name }) => name.includes('echo planned'))?.verdict.kind).toBe('run');
      const names = (await subject.backend.listImages(QUIET)).flatMap(({ references }) => references);
      expect(names.filter((name) => name.includes(nonce))).toEqual([]);
    },
  },
} as const satisfies Readonly<Record<string, FeatureCase>>;
