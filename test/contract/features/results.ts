import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, vi } from 'vitest';
import type { OutputInput } from '../../../src/backends/index.ts';
import { openFakeDocker } from '../../support/fake-docker.ts';
import { type Json, readLayout } from '../../support/oci-layout.ts';
import { runOk } from '../../support/process.ts';
import { readTar } from '../../support/tar-reader.ts';
import type { Contract } from '../contract.ts';
import type { Ask } from '../subject.ts';
import { type FeatureCase, fetchManifest } from './feature-case.ts';

const HOST = `linux/${process.arch === 'arm64' ? 'arm64' : 'amd64'}`;
const MEDIA_TYPE_PLAIN = 'application/vnd.oci.image.layer.v1.tar';

const pathOf = ({ around, nonce }: Contract): string => join(around.root, `out-${nonce}`);

/** A build whose one output is looked at. */
function writing(
  outputOf: (destination: string) => OutputInput,
  look: (path: string, contract: Contract) => void | Promise<void>,
): FeatureCase {
  return {
    ask: (contract) => ({
      files: { file: `content ${contract.nonce}` },
      lines: ['FROM scratch', 'COPY file /dir/'],
      request: { tags: [`written-${contract.nonce}`], outputs: [outputOf(pathOf(contract))] },
    }),
    observe: async (contract, ask) => {
      await contract.subject.build(ask);
      await look(pathOf(contract), contract);
    },
  };
}

async function unpack(tar: string): Promise<string> {
  const directory = `${tar}.unpacked`;
  mkdirSync(directory);
  await runOk(['tar', '-C', directory, '-xf', tar]);
  return directory;
}

/** A build that is pushed with layers of one kind. */
function pushing(compression: 'zstd' | 'none', mediaType: string): FeatureCase {
  return {
    ask: ({ around, nonce }): Ask => ({
      files: { file: nonce },
      lines: ['FROM scratch', 'COPY file /'],
      request: {
        tags: [`${around.registry}/packed-${nonce}`],
        outputs: [{ kind: 'image', push: true, compression }],
      },
    }),
    observe: async ({ subject, around, nonce }, ask) => {
      await subject.build(ask);
      const { layers = [] } = await fetchManifest(around.registry, `packed-${nonce}`);
      expect(layers.map((layer) => layer.mediaType)).toEqual([mediaType]);
    },
  };
}

/** What can be asked of the image that is made, and of where it goes. */
export const RESULT_CASES = {
  annotations: {
    ask: ({ around, nonce }) => ({
      files: { file: nonce },
      lines: ['FROM scratch', 'COPY file /'],
      request: { tags: [`${around.registry}/noted-${nonce}`], push: true, annotations: { 'com.example.note': nonce } },
    }),
    observe: async ({ subject, around, nonce }, ask) => {
      await subject.build(ask);
      const { annotations } = await fetchManifest(around.registry, `noted-${nonce}`);
      expect(annotations).toMatchObject({ 'com.example.note': nonce });
    },
  },
  'annotation-levels': {
    ask: (contract) => ({
      files: { file: contract.nonce },
      lines: ['FROM scratch', 'COPY file /'],
      request: {
        platform: HOST,
        annotations: [
          { key: 'com.example.own', value: 'own', platform: HOST },
          { key: 'com.example.own', value: 'all' },
          { key: 'com.example.entry', value: contract.nonce, level: 'manifest-descriptor' },
        ],
        outputs: [{ kind: 'oci', destination: pathOf(contract), tar: false }],
      },
    }),
    observe: async (contract, ask) => {
      await contract.subject.build(ask);
      const layout = readLayout(pathOf(contract));
      expect(layout.manifest['annotations']).toEqual({ 'com.example.own': 'own' });
      const index = JSON.parse(readFileSync(join(pathOf(contract), 'index.json'), 'utf8')) as Json;
      expect(index['manifests']).toMatchObject([{ annotations: { 'com.example.entry': contract.nonce } }]);
    },
  },
  'rewrite-timestamp': {
    ask: (contract) => ({
      lines: [`FROM ${contract.base}`, `RUN echo ${contract.nonce} > /new`],
      request: {
        sourceDateEpoch: 1_000_000_000,
        rewriteTimestamp: true,
        outputs: [{ kind: 'oci', destination: pathOf(contract), tar: false }],
      },
    }),
    observe: async (contract, ask) => {
      await contract.subject.build(ask);
      const layer = readLayout(pathOf(contract)).layers.at(-1)!;
      const tar = `${layer.path}.tar`;
      await runOk(['sh', '-c', 'gzip -dc < "$1" > "$2"', 'sh', layer.path, tar]);
      expect(readTar(tar).find(({ path }) => path === 'new')?.mtime).toBe(1_000_000_000);
    },
  },
  squash: {
    ask: (contract) => ({
      files: { file: contract.nonce },
      lines: [
        `FROM ${contract.base}`,
        'COPY file /one',
        'COPY file /two',
        `RUN rm /one; echo ${contract.nonce} > /three`,
      ],
      request: {
        squash: true,
        outputs: [{ kind: 'oci', destination: pathOf(contract), tar: false, compression: 'none' }],
      },
    }),
    observe: async (contract, ask) => {
      const { subject, base } = contract;
      const plain = await subject.build({ lines: [`FROM ${base}`] });
      const { result } = await subject.build(ask);
      expect(result.layers).toHaveLength(plain.result.layers.length + 1);
      expect(result.layers.slice(0, -1).map(({ diffId }) => diffId)).toEqual(
        plain.result.layers.map(({ diffId }) => diffId),
      );
      // Nothing of what came and went, and nothing of how the step was run.
      const names = readTar(readLayout(pathOf(contract)).layers.at(-1)!.path).map(({ path }) => path);
      expect(names).toEqual(['three', 'two']);
    },
  },
  'squash-since': {
    ask: ({ base, nonce }) => ({
      files: { file: nonce },
      lines: [`FROM ${base} AS deps`, 'COPY file /one', 'FROM deps', 'COPY file /two', 'COPY file /three'],
      request: { squash: { since: 'deps' } },
    }),
    observe: async ({ subject }, ask) => {
      const deps = await subject.build({ ...ask, request: { target: 'deps' } });
      const { result } = await subject.build(ask);
      const kept = deps.result.layers.map(({ diffId }) => diffId);
      expect(result.layers.map(({ diffId }) => diffId)).toEqual([...kept, expect.stringMatching(/^sha256:/)]);
    },
  },
  'format-docker': {
    ask: ({ around, nonce }) => ({
      files: { file: nonce },
      lines: ['FROM scratch', 'COPY file /'],
      request: { tags: [`${around.registry}/docker-${nonce}`], push: true, format: 'docker' },
    }),
    observe: async ({ subject, around, nonce }, ask) => {
      const { result } = await subject.build(ask);
      expect(result.mediaType).toBe('application/vnd.docker.distribution.manifest.v2+json');
      const { mediaType, layers = [] } = await fetchManifest(around.registry, `docker-${nonce}`);
      expect(mediaType).toBe('application/vnd.docker.distribution.manifest.v2+json');
      expect(layers.map((layer) => layer.mediaType)).toEqual(['application/vnd.docker.image.rootfs.diff.tar.gzip']);
    },
  },
  'compression-zstd': pushing('zstd', 'application/vnd.oci.image.layer.v1.tar+zstd'),
  'compression-none': pushing('none', 'application/vnd.oci.image.layer.v1.tar'),
  'force-compression': {
    ask: ({ around, base, nonce }) => ({
      files: { file: nonce },
      lines: [`FROM ${base}`, 'COPY file /'],
      request: {
        tags: [`${around.registry}/forced-${nonce}`],
        outputs: [{ kind: 'image', push: true, compression: 'none', forceCompression: true }],
      },
    }),
    observe: async ({ subject, around, nonce }, ask) => {
      await subject.build(ask);
      const { layers = [] } = await fetchManifest(around.registry, `forced-${nonce}`);
      expect(layers.length).toBeGreaterThan(1);
      expect(new Set(layers.map((layer) => layer.mediaType))).toEqual(new Set([MEDIA_TYPE_PLAIN]));
    },
  },
  'push-by-digest': {
    ask: ({ around, nonce }) => ({
      files: { file: nonce },
      lines: ['FROM scratch', 'COPY file /'],
      request: {
        tags: [`${around.registry}/untagged-${nonce}`],
        outputs: [{ kind: 'image', push: true, pushByDigest: true }],
      },
    }),
    observe: async ({ subject, around, nonce }, ask) => {
      const { result } = await subject.build(ask);
      const repository = `untagged-${nonce}`;
      const [{ digest } = { digest: '' }, ...others] = result.pushed ?? [];
      expect(others).toEqual([]);
      expect(result.pushed?.[0]?.reference).toBe(`${around.registry}/${repository}@${digest}`);
      expect((await fetchManifest(around.registry, `${repository}@${digest}`)).digest).toBe(digest);
      // A repository without a tag is not even listed as one.
      expect((await fetch(`http://${around.registry}/v2/${repository}/tags/list`)).status).toBe(404);
    },
  },
  'output-load': {
    ask: ({ nonce }) => ({
      files: { file: nonce },
      lines: ['FROM scratch', 'COPY file /'],
      request: { tags: [`loaded-${nonce}`], outputs: [{ kind: 'load', engine: 'docker' }] },
    }),
    observe: async ({ subject, around, nonce }, ask) => {
      const docker = await openFakeDocker(join(around.root, `docker-${nonce}`));
      vi.stubEnv('DOCKER_HOST', docker.host);
      try {
        const { result } = await subject.build(ask);
        expect(docker.names.get(`loaded-${nonce}:latest`)).toBe(result.configDigest);
      } finally {
        vi.unstubAllEnvs();
        await docker.close();
      }
    },
  },
  'output-oci': writing(
    (destination) => ({ kind: 'oci', destination, tar: true }),
    async (path) => {
      const { config, layers } = readLayout(await unpack(path));
      expect(layers).toHaveLength(1);
      expect(config['os']).toBe('linux');
    },
  ),
  'output-docker': writing(
    (destination) => ({ kind: 'docker', destination }),
    async (path, { nonce }) => {
      const [image] = JSON.parse(readFileSync(join(await unpack(path), 'manifest.json'), 'utf8')) as readonly Json[];
      expect(image?.['RepoTags']).toEqual([expect.stringMatching(new RegExp(`written-${nonce}:latest$`))]);
      expect(image?.['Layers']).toHaveLength(1);
    },
  ),
  'output-tar': writing(
    (destination) => ({ kind: 'tar', destination }),
    (path) => {
      expect(readTar(path).map((member) => member.path)).toContain('dir/file');
    },
  ),
  'output-local': writing(
    (destination) => ({ kind: 'local', destination }),
    (path, { nonce }) => {
      expect(readFileSync(join(path, 'dir/file'), 'utf8')).toBe(`content ${nonce}`);
    },
  ),
} as const satisfies Readonly<Record<string, FeatureCase>>;
