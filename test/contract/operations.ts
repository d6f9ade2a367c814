import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { ImageSummary } from '../../src/backends/index.ts';
import { readLayout } from '../support/oci-layout.ts';
import { processesNaming } from '../support/process-tree.ts';
import { type Contract, QUIET } from './contract.ts';
import { fetchManifest } from './features/feature-case.ts';
import type { Built } from './subject.ts';

/** A small image of its own, named `NAME` in the registry; not pushed. */
async function makeImage(
  { subject, around, nonce }: Contract,
  label = 'one',
): Promise<Built & { readonly name: string }> {
  const name = `${around.registry}/image-${label}-${nonce}:latest`;
  const built = await subject.build({
    files: { file: `${label} ${nonce}` },
    lines: ['FROM scratch', 'COPY file /', `LABEL of="${label}"`],
    request: { tags: [name] },
  });
  return { ...built, name };
}

const summaryOf = async ({ subject }: Contract, name: string): Promise<ImageSummary | undefined> =>
  (await subject.backend.listImages(QUIET)).find(({ references }) => references.includes(name));

/** The operations of the contract, over whatever backend `open` gives. */
export function describeOperations(open: () => Contract): void {
  describe('images', () => {
    it('a built image is listed and told of with its names, digests, sizes and config', async () => {
      const contract = open();
      const { name, result } = await makeImage(contract);
      expect(result.references).toEqual([name]);
      const expected = { digest: result.digest, configDigest: result.configDigest, references: [name] };
      expect(await summaryOf(contract, name)).toMatchObject(expected);
      const details = await contract.subject.backend.inspectImage(name, QUIET);
      expect(details).toMatchObject({ ...expected, config: { config: { Labels: { of: 'one' } } } });
      expect(details.layers.map(({ diffId }) => diffId)).toEqual(result.layers.map(({ diffId }) => diffId));
      expect(details.layers[0]!.sizeBytes).toBeGreaterThan(0);
    });

    it('is found by its digest and by the start of its id', async () => {
      const contract = open();
      const { result } = await makeImage(contract);
      const { backend } = contract.subject;
      expect((await backend.inspectImage(result.digest, QUIET)).digest).toBe(result.digest);
      const start = result.configDigest.slice('sha256:'.length).slice(0, 12);
      expect((await backend.inspectImage(start, QUIET)).digest).toBe(result.digest);
    });

    it('gets further names, and loses them one by one', async () => {
      const contract = open();
      const { backend } = contract.subject;
      const { name, result } = await makeImage(contract);
      const other = `localhost/other-${contract.nonce}:2`;
      const receipt = await backend.tagImage({ image: name, reference: other }, QUIET);
      expect(receipt).toMatchObject({ reference: other, digest: result.digest });
      expect((await backend.inspectImage(other, QUIET)).references).toEqual([name, other].toSorted());
      await backend.removeImage(name, QUIET);
      expect((await backend.inspectImage(other, QUIET)).references).toEqual([other]);
      await backend.removeImage(other, QUIET);
      expect(await summaryOf(contract, other)).toBeUndefined();
    });

    it('is pushed under its own name and another, with the digest that the registry then has', async () => {
      const contract = open();
      const { around, subject, nonce } = contract;
      const { name } = await makeImage(contract);
      const pushed = await subject.backend.pushImage({ image: name }, QUIET);
      expect(pushed.reference).toBe(name);
      expect((await fetchManifest(around.registry, `image-one-${nonce}`)).digest).toBe(pushed.digest);
      const destination = `${around.registry}/elsewhere-${nonce}:1`;
      const receipt = await subject.backend.pushImage({ image: name, destination }, QUIET);
      expect(receipt.reference).toBe(destination);
      expect((await fetchManifest(around.registry, `elsewhere-${nonce}:1`)).digest).toBe(receipt.digest);
    });

    it('is pushed with the sign-in that comes with the call, and refused without it', async () => {
      const { around, subject, nonce, ...contract } = open();
      const { name } = await makeImage({ around, subject, nonce, ...contract });
      const destination = `${around.locked.host}/signed-${nonce}:latest`;
      await expect(subject.backend.pushImage({ image: name, destination }, QUIET)).rejects.toMatchObject({
        kind: 'auth',
      });
      const credentials = {
        [around.locked.host]: { kind: 'basic', username: 'contract', password: 'p4ss:word' },
      } as const;
      await subject.backend.pushImage({ image: name, destination, credentials }, QUIET);
      await fetchManifest(around.registry, `signed-${nonce}`);
    });

    it('is exported after it was built', async () => {
      const contract = open();
      const { name, result } = await makeImage(contract);
      const destination = join(contract.around.root, `exported-${contract.nonce}`);
      const output = { kind: 'oci', destination, tar: false } as const;
      await contract.subject.backend.exportImage({ image: name, references: [name], output }, QUIET);
      const { config, layers } = readLayout(destination);
      expect(config).toMatchObject({ config: { Labels: { of: 'one' } } });
      expect(layers.map(({ diffId }) => diffId)).toEqual(result.layers.map(({ diffId }) => diffId));
    });

    it('survives a prune while it has a name', async () => {
      const contract = open();
      const { name, result } = await makeImage(contract);
      const { freedBytes } = await contract.subject.backend.prune({}, QUIET);
      expect(freedBytes).toBeGreaterThanOrEqual(0);
      expect((await contract.subject.backend.inspectImage(name, QUIET)).digest).toBe(result.digest);
    });

    it.each<[string, (contract: Contract, missing: string) => Promise<unknown>]>([
      ['inspectImage', ({ subject }, image) => subject.backend.inspectImage(image, QUIET)],
      ['tagImage', ({ subject }, image) => subject.backend.tagImage({ image, reference: 'localhost/a:1' }, QUIET)],
      ['pushImage', ({ subject }, image) => subject.backend.pushImage({ image }, QUIET)],
      ['removeImage', ({ subject }, image) => subject.backend.removeImage(image, QUIET)],
      [
        'exportImage',
        ({ subject, around }, image) =>
          subject.backend.exportImage(
            { image, references: [], output: { kind: 'oci', destination: join(around.root, 'never'), tar: true } },
            QUIET,
          ),
      ],
    ])('%s of an image that is not there fails with IMAGE_NOT_FOUND', async (_name, act) => {
      const contract = open();
      const missing = `${contract.around.registry}/missing-${contract.nonce}:latest`;
      await expect(act(contract, missing)).rejects.toMatchObject({ code: 'IMAGE_NOT_FOUND' });
      expect(existsSync(join(contract.around.root, 'never'))).toBe(false);
    });
  });

  describe('manifest lists', () => {
    it('are put together, looked at, taken apart and pushed with their members', async () => {
      const contract = open();
      const { subject, around, nonce } = contract;
      const { backend } = subject;
      const one = await makeImage(contract, 'one');
      const two = await makeImage(contract, 'two');
      const list = `${around.registry}/list-${nonce}:latest`;
      expect((await backend.manifestCreate({ list }, QUIET)).members).toEqual([]);
      await backend.manifestAdd({ list, image: one.name, platform: 'linux/amd64' }, QUIET);
      const both = await backend.manifestAdd(
        { list, image: two.name, platform: 'linux/arm64', annotations: { 'com.example.of': 'two' } },
        QUIET,
      );
      expect(both.members.map(({ platform }) => platform?.architecture).toSorted()).toEqual(['amd64', 'arm64']);
      const second = both.members.find(({ platform }) => platform?.architecture === 'arm64');
      expect(second?.annotations).toMatchObject({ 'com.example.of': 'two' });
      expect((await backend.manifestInspect(list, QUIET)).digest).toBe(both.digest);

      const pushed = await backend.manifestPush({ list }, QUIET);
      const published = await fetchManifest(around.registry, `list-${nonce}`);
      expect(published.digest).toBe(pushed.digest);
      expect(published.manifests).toHaveLength(2);
      for (const { digest } of published.manifests ?? []) {
        expect((await fetchManifest(around.registry, `list-${nonce}@${digest}`)).layers).toHaveLength(1);
      }
      const left = await backend.manifestRemove({ list, digest: second!.digest }, QUIET);
      expect(left.members.map(({ platform }) => platform?.architecture)).toEqual(['amd64']);
    });

    it('are pushed with a sign-in that comes with the call', async () => {
      const contract = open();
      const { subject, around, nonce } = contract;
      const { backend } = subject;
      const { name } = await makeImage(contract);
      const list = `localhost/signed-list-${nonce}:latest`;
      await backend.manifestCreate({ list }, QUIET);
      await backend.manifestAdd({ list, image: name }, QUIET);
      const destination = `${around.locked.host}/signed-list-${nonce}:latest`;
      await expect(backend.manifestPush({ list, destination }, QUIET)).rejects.toMatchObject({ kind: 'auth' });
      const credentials = {
        [around.locked.host]: { kind: 'basic', username: 'contract', password: 'p4ss:word' },
      } as const;
      await backend.manifestPush({ list, destination, credentials }, QUIET);
      expect((await fetchManifest(around.registry, `signed-list-${nonce}`)).manifests).toHaveLength(1);
    });

    it('are not made over an image, nor found where there are none', async () => {
      const contract = open();
      const { backend } = contract.subject;
      const { name } = await makeImage(contract);
      await expect(backend.manifestCreate({ list: name }, QUIET)).rejects.toMatchObject({ code: 'USAGE' });
      const missing = `localhost/missing-list-${contract.nonce}:latest`;
      await expect(backend.manifestInspect(missing, QUIET)).rejects.toMatchObject({ code: 'IMAGE_NOT_FOUND' });
    });
  });

  describe('builds', () => {
    it('tell of every step: planned, started and completed, with logs attributed to it', async () => {
      const { subject, base, nonce } = open();
      const { events } = await subject.build({
        lines: [`FROM ${base} AS one`, `RUN echo from one ${nonce}`, 'FROM one', `RUN echo from two ${nonce}`],
      });
      const planned = events.flatMap((event) => (event.kind === 'build-planned' ? event.vertices : []));
      const vertexOf = (word: string): string | undefined => planned.find(({ name }) => name.includes(word))?.id;
      for (const word of ['echo from one', 'echo from two']) {
        const vertex = vertexOf(word);
        expect(vertex, word).toBeDefined();
        const own = events.filter((event) => 'vertex' in event && event.vertex === vertex);
        expect(own.map(({ kind }) => kind)).toEqual(
          expect.arrayContaining(['vertex-started', 'log', 'vertex-completed']),
        );
        const log = own.map((event) => (event.kind === 'log' ? event.text : '')).join('');
        expect(log).toContain(`${word.slice('echo '.length)} ${nonce}`);
      }
    });

    it('take an unchanged step from the cache, and say so', async () => {
      const { subject, base, nonce } = open();
      const ask = { lines: [`FROM ${base}`, `RUN echo once ${nonce}`] };
      const first = await subject.build(ask);
      const second = await subject.build(ask);
      const verdicts = [first, second].map(
        ({ result }) => result.steps.find(({ name }) => name.includes('echo once'))?.verdict.kind,
      );
      expect(verdicts).toEqual(['run', 'cached']);
      expect(second.result.configDigest).toBe(first.result.configDigest);
    });

    it('fail with the step, its exit status, the end of its output and its line', async () => {
      const { subject, base, nonce } = open();
      const ask = { lines: [`FROM ${base}`, 'RUN true', `RUN echo about to fail ${nonce}; exit 42`] };
      const error = await subject.build(ask).catch((thrown) => thrown);
      expect(error).toMatchObject({
        code: 'STEP_FAILED',
        facts: { exitCode: 42, outputTail: expect.arrayContaining([`about to fail ${nonce}`]) },
        location: { range: { start: { line: 3 } } },
      });
    });

    it.each([
      ['COPY of what is not in the context', ['FROM scratch', 'COPY absent /'], 'SOURCE_NOT_FOUND'],
      ['a base image that is nowhere', ['FROM REGISTRY/absent:latest', 'COPY Dockerfile /'], 'IMAGE_NOT_FOUND'],
    ])('fail on %s', async (_what, lines, code) => {
      const { subject, around } = open();
      const ask = { lines: lines.map((line) => line.replace('REGISTRY', around.registry)) };
      await expect(subject.build(ask)).rejects.toMatchObject({ code });
    });

    it('end with CANCELLED when they are cancelled, and leave no process', async () => {
      const { subject, base, nonce } = open();
      const controller = new AbortController();
      const ask = { lines: [`FROM ${base}`, `RUN MARK=${nonce}-cancelled; echo started; exec busybox sleep 98765`] };
      const build = subject.build(ask, controller.signal, (event) => {
        if (event.kind === 'log' && event.text.includes('started')) controller.abort();
      });
      await expect(build).rejects.toMatchObject({ code: 'CANCELLED' });
      expect(processesNaming(`${nonce}-cancelled`)).toEqual([]);
      expect((await subject.build({ lines: [`FROM ${base}`, `RUN echo goes on ${nonce}`] })).log).toContain('goes on');
    });

    it('do not begin with a signal that is aborted already', async () => {
      const { subject, base } = open();
      const ask = { lines: [`FROM ${base}`, 'RUN true'] };
      await expect(subject.build(ask, AbortSignal.abort())).rejects.toMatchObject({ code: 'CANCELLED' });
    });
  });
}
