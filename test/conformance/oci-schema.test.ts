import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { chainIdOf, type Digest, digestOf } from '../../src/core/index.ts';
import {
  encodeConfig,
  encodeIndex,
  encodeManifest,
  parseConfig,
  parseIndex,
  parseLayout,
  parseManifest,
  toDockerManifest,
  toOciManifest,
} from '../../src/oci/index.ts';
import { CONFORMANCE_FOLDER, openOciSchemas, type Schema } from '../support/oci-schema.ts';

interface SchemaCase {
  readonly id: string;
  readonly schema: Schema;
  readonly note?: string;
  readonly fail: boolean;
  readonly document: string;
  readonly dockerDocument?: string;
  readonly dockerDigest?: string;
}

interface DataSet {
  readonly chainIds: ReadonlyArray<{ readonly diffIds: readonly Digest[]; readonly chainIds: readonly Digest[] }>;
  readonly cases: readonly SchemaCase[];
}

const FILE = join(CONFORMANCE_FOLDER, 'oci-schema.json');

/** Cases that are meant to come out differently, with the reason. */
const KNOWN_DIFFERENCES: Readonly<Record<string, string>> = {
  'manifest/6':
    'an empty list of layers is accepted: the text of the specification only advises against it, and images of a config alone are built and pushed',
};

const PARSERS: Readonly<Record<Schema, (text: string) => unknown>> = {
  manifest: (text) => parseManifest(text),
  config: parseConfig,
  index: (text) => parseIndex(text),
  descriptor: (text) => parseIndex(JSON.stringify({ schemaVersion: 2, manifests: [JSON.parse(text)] })),
  layout: parseLayout,
};

const ENCODERS: Partial<Record<Schema, (text: string) => Buffer>> = {
  manifest: (text) => encodeManifest(parseManifest(text)),
  config: (text) => encodeConfig(parseConfig(text)),
  index: (text) => encodeIndex(parseIndex(text)),
};

/** Go writes empty values as null; in a container's config they are as good as absent. */
function withoutNulls(document: { config?: Readonly<Record<string, unknown>> }): unknown {
  if (document.config === undefined) return document;
  const kept = Object.entries(document.config).filter(
    ([name, value]) => value !== null || /^(Entrypoint|Cmd)$/.test(name),
  );
  return { ...document, config: Object.fromEntries(kept) };
}

describe('conformance oci-schema', () => {
  if (!existsSync(FILE)) {
    if (process.env.CI === 'true') it('has its data', () => expect.fail(`${FILE} is missing; set ZLAYER_SHARED`));
    else it.skip(`SKIPPED: ${FILE} is missing; set ZLAYER_SHARED to run it`, () => {});
    return;
  }
  const data = JSON.parse(readFileSync(FILE, 'utf8')) as DataSet;
  const validate = openOciSchemas()!;

  it.each(data.cases.map((testCase) => [testCase.id, testCase] as const))('%s', (id, { schema, document, fail }) => {
    const parse = (): unknown => PARSERS[schema](document);
    const isDifferent = id in KNOWN_DIFFERENCES;
    if (fail === isDifferent) {
      expect(parse, isDifferent ? 'listed as a known difference' : '').not.toThrow();
      return;
    }
    expect(parse).toThrow(expect.objectContaining({ code: 'IMAGE_INVALID' }));
  });

  it('holds the expected number of cases', () => {
    expect(data.cases.length).toBe(81);
    expect(data.cases.filter(({ fail }) => fail).length).toBe(40);
  });

  it.each(data.chainIds)('chain ids of $diffIds', ({ diffIds, chainIds }) => {
    expect(diffIds.map((_, i) => chainIdOf(diffIds.slice(0, i + 1)))).toEqual(chainIds);
  });

  it('has a case for each known difference', () => {
    const ids = new Set(data.cases.map(({ id }) => id));
    expect(Object.keys(KNOWN_DIFFERENCES).filter((id) => !ids.has(id))).toEqual([]);
  });

  it.each(
    data.cases.filter(({ fail, schema }) => !fail && schema in ENCODERS).map(({ id, ...rest }) => [id, rest] as const),
  )('%s is valid when it is written again, and loses nothing but nulls', (_, { schema, document }) => {
    const encoded = JSON.parse(ENCODERS[schema]!(document).toString()) as unknown;
    expect(validate(schema, encoded)).toEqual([]);
    expect(encoded).toEqual(withoutNulls(JSON.parse(document)));
  });

  it.each(
    data.cases.filter((c) => c.dockerDocument !== undefined && c.schema === 'manifest').map((c) => [c.id, c] as const),
  )("%s becomes an OCI manifest and Docker's again", (_, { dockerDocument, dockerDigest }) => {
    expect(digestOf(dockerDocument!)).toBe(dockerDigest as Digest);
    const docker = parseManifest(dockerDocument!);
    const layers = docker.layers.map(({ digest }) => digest);
    const oci = toOciManifest({
      ...docker,
      config: { ...docker.config, mediaType: 'application/vnd.docker.container.image.v1+json' },
    });
    expect(validate('manifest', JSON.parse(encodeManifest(oci).toString()))).toEqual([]);
    expect(JSON.stringify(oci)).not.toContain('vnd.docker');
    const back = toDockerManifest(oci);
    expect(JSON.stringify(back)).not.toContain('vnd.oci');
    expect(back.layers.map(({ digest }) => digest)).toEqual(layers);
  });
});
