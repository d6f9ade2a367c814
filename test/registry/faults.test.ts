import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { digestHex, digestOf, isBuildError, parseReference } from '../../src/core/index.ts';
import type { Descriptor } from '../../src/oci/index.ts';
import { pullImage, pushImage } from '../../src/registry/index.ts';
import { openStore } from '../../src/store/index.ts';
import { type DockerRegistry, missingPrograms, startDockerRegistry } from './docker-registry.ts';
import { type Answer, type Fault, type FaultRegistry, startFaultRegistry } from './fault-registry.ts';
import { manifestIn } from './memory-images.ts';
import { createMemoryBlobs, createTestContext, type MemoryBlobs } from './memory-sink.ts';
import { createTestClient } from './test-client.ts';

const LOGIN = { kind: 'basic', username: 'ann', password: 'sesame' } as const;
const ALWAYS = 1_000;
const LAYER = randomBytes(200_000).toString('hex');
const WRONG = { digest: digestOf('something else') };

/** What the faults of a case may need to know. */
interface Stage {
  readonly registry: FaultRegistry;
  /** Another origin, which has the layer as well. */
  readonly other: FaultRegistry;
}

/** `right`: the image arrives as it is. Else the code of the error. */
type Case = readonly [title: string, outcome: string, faults: (stage: Stage) => readonly Fault[]];

const blob = new RegExp(`/blobs/${digestOf(LAYER)}`);
const upload = /\/blobs\/uploads\/./;
const change = (to: (answer: Answer) => Partial<Answer>) => (answer: Answer) => ({ ...answer, ...to(answer) });
const status = (code: number, headers: Readonly<Record<string, string>> = {}): Answer => ({ status: code, headers });
const again = ({ path }: { readonly path: string }): Answer => status(307, { location: `${path}x` });
const withHeaders = (headers: Readonly<Record<string, string>>) =>
  change((answer) => ({ headers: { ...answer.headers, ...headers } }));

const PULLS: readonly Case[] = [
  [
    'drops the connection in the middle',
    'right',
    () => [{ method: 'GET', path: blob, change: change(() => ({ cutAfter: 150_000 })) }],
  ],
  [
    'drops it again and again',
    'REGISTRY_UNAVAILABLE',
    () => [{ path: blob, times: ALWAYS, change: change(() => ({ cutAfter: 0 })) }],
  ],
  ['drops it before it answers', 'right', () => [{ path: blob, answer: { status: 200, drop: true } }]],
  [
    'answers 500 and 503',
    'right',
    () => [
      { path: blob, answer: status(500) },
      { path: blob, answer: status(503) },
    ],
  ],
  ['answers 503 without end', 'REGISTRY_UNAVAILABLE', () => [{ path: blob, times: ALWAYS, answer: status(503) }]],
  ['answers 429 with Retry-After', 'right', () => [{ path: /manifests/, answer: status(429, { 'retry-after': '7' }) }]],
  [
    'answers 429 without end',
    'REGISTRY_RATE_LIMITED',
    () => [{ path: /manifests/, times: ALWAYS, answer: status(429) }],
  ],
  [
    'redirects to another origin',
    'right',
    ({ other }) => [
      { method: 'GET', path: blob, answer: status(307, { location: `${other.url}/v2/app/blobs/${digestOf(LAYER)}` }) },
    ],
  ],
  [
    'redirects to another origin, which asks for a login',
    'REGISTRY_UNAUTHORIZED',
    ({ registry, other }) => {
      other.inject({
        path: /login/,
        times: ALWAYS,
        answer: status(401, { 'www-authenticate': 'Basic realm="other"' }),
      });
      return [
        {
          method: 'GET',
          path: blob,
          times: ALWAYS,
          answer: status(307, { location: `${other.url}/login?${registry.host}` }),
        },
      ];
    },
  ],
  ['redirects without end', 'REGISTRY_PROTOCOL', () => [{ method: 'GET', path: blob, times: ALWAYS, answer: again }]],
  [
    'sends too few bytes',
    'right',
    () => [
      { method: 'GET', path: blob, change: change(({ body }) => ({ headers: {}, body: body!.subarray(0, 99_999) })) },
    ],
  ],
  [
    'sends too few bytes without end',
    'REGISTRY_UNAVAILABLE',
    () => [
      {
        method: 'GET',
        path: blob,
        times: ALWAYS,
        change: change(() => ({ status: 200, headers: {}, body: Buffer.from(LAYER.slice(0, 9)) })),
      },
    ],
  ],
  [
    'sends too many bytes',
    'BLOB_DIGEST_MISMATCH',
    () => [
      {
        method: 'GET',
        path: blob,
        times: ALWAYS,
        change: change(({ body }) => ({ headers: {}, body: Buffer.concat([body!, body!]) })),
      },
    ],
  ],
  [
    'sends wrong bytes once',
    'right',
    () => [
      {
        method: 'GET',
        path: blob,
        change: change(({ body }) => ({ body: Buffer.from(body!).fill('z', 100_000, 100_001) })),
      },
    ],
  ],
  [
    'sends wrong bytes',
    'BLOB_DIGEST_MISMATCH',
    () => [
      {
        method: 'GET',
        path: blob,
        times: ALWAYS,
        change: change(({ body }) => ({ body: Buffer.from(body!).fill('z', 100_000, 100_001) })),
      },
    ],
  ],
  [
    'goes on from another place than it was asked for',
    'REGISTRY_PROTOCOL',
    () => [
      { method: 'GET', path: blob, change: change(() => ({ cutAfter: 100_000 })) },
      {
        method: 'GET',
        path: blob,
        times: ALWAYS,
        change: withHeaders({ 'content-range': 'bytes 399000-399999/400000' }),
      },
    ],
  ],
  [
    'sends the middle again under a wrong Content-Range',
    'BLOB_DIGEST_MISMATCH',
    () => [
      { method: 'GET', path: blob, change: change(() => ({ cutAfter: 100_000 })) },
      {
        method: 'GET',
        path: blob,
        change: change(({ headers }) => ({ headers: { ...headers, 'content-range': 'bytes 0-399999/400000' } })),
      },
      {
        method: 'GET',
        path: blob,
        times: ALWAYS,
        change: change(() => ({ status: 200, headers: {}, body: Buffer.alloc(400_000, 'q') })),
      },
    ],
  ],
  [
    'sends a manifest of another digest',
    'BLOB_DIGEST_MISMATCH',
    () => [
      {
        method: 'GET',
        path: /manifests/,
        times: ALWAYS,
        change: change(({ body }) => ({
          headers: { 'content-type': 'application/vnd.oci.image.manifest.v1+json' },
          body: Buffer.concat([body!, Buffer.from(' ')]),
        })),
      },
    ],
  ],
  [
    'gives the tag another digest than the bytes have',
    'BLOB_DIGEST_MISMATCH',
    () => [
      { method: 'HEAD', path: /manifests/, times: ALWAYS, answer: status(405) },
      {
        method: 'GET',
        path: /manifests/,
        times: ALWAYS,
        change: withHeaders({ 'docker-content-digest': WRONG.digest }),
      },
    ],
  ],
  [
    'sends a manifest that is none',
    'REGISTRY_PROTOCOL',
    () => [
      {
        method: 'GET',
        path: /manifests/,
        times: ALWAYS,
        change: change(() => ({ headers: { 'content-type': 'text/html' }, body: Buffer.from('<html>') })),
      },
    ],
  ],
];

const PUSHES: readonly Case[] = [
  ['drops the connection in the middle', 'right', () => [{ method: 'PUT', path: upload, cutUploadAfter: 300_000 }]],
  [
    'drops it again and again',
    'REGISTRY_UNAVAILABLE',
    () => [{ path: upload, times: ALWAYS, answer: { status: 200, drop: true } }],
  ],
  [
    'loses the answer to the last byte',
    'right',
    () => [{ method: 'PUT', path: upload, change: change(() => ({ drop: true })) }],
  ],
  ['answers 500 to the bytes', 'right', () => [{ method: 'PUT', path: upload, answer: status(500) }]],
  ['answers 503 to the manifest', 'right', () => [{ method: 'PUT', path: /manifests/, answer: status(503) }]],
  ['answers 503 without end', 'REGISTRY_UNAVAILABLE', () => [{ method: 'POST', times: ALWAYS, answer: status(503) }]],
  [
    'answers 429 with Retry-After',
    'right',
    () => [{ method: 'PUT', path: upload, answer: status(429, { 'retry-after': '3' }) }],
  ],
  ['answers 429 without end', 'REGISTRY_RATE_LIMITED', () => [{ method: 'POST', times: ALWAYS, answer: status(429) }]],
  ['forgets the upload', 'right', () => [{ method: 'PUT', path: upload, answer: status(404) }]],
  ['takes no blob whole', 'right', () => [{ method: 'PUT', path: upload, times: 2, answer: status(413) }]],
  [
    'leads the upload to another origin',
    'REGISTRY_PROTOCOL',
    ({ other }) => [
      { method: 'POST', times: ALWAYS, answer: status(202, { location: `${other.url}/v2/app/blobs/uploads/none` }) },
    ],
  ],
  ['redirects without end', 'REGISTRY_PROTOCOL', () => [{ method: 'POST', times: ALWAYS, answer: again }]],
  [
    'finds the bytes to be others',
    'BLOB_DIGEST_MISMATCH',
    () => [
      {
        method: 'PUT',
        path: upload,
        times: ALWAYS,
        answer: { status: 400, body: Buffer.from('{"errors":[{"code":"DIGEST_INVALID"}]}') },
      },
    ],
  ],
  [
    'stores the bytes under another digest',
    'BLOB_DIGEST_MISMATCH',
    () => [
      { method: 'PUT', path: upload, times: ALWAYS, change: withHeaders({ 'docker-content-digest': WRONG.digest }) },
    ],
  ],
  [
    'stores the manifest under another digest',
    'BLOB_DIGEST_MISMATCH',
    () => [{ method: 'PUT', path: /manifests/, change: withHeaders({ 'docker-content-digest': WRONG.digest }) }],
  ],
  ['refuses the rights', 'REGISTRY_DENIED', () => [{ method: 'POST', times: ALWAYS, answer: status(403) }]],
];

/** Only a registry with tokens has these. */
const LOGINS: readonly Case[] = [
  [
    'forgets its tokens in the middle',
    'right',
    ({ registry }) => [
      {
        path: /blobs/,
        answer: (request) => {
          registry.tokens.clear();
          return {
            status: 401,
            headers: {
              'www-authenticate': `Bearer realm="${registry.url}/token",service="s",scope="repository:${request.path.split('/')[2]}:pull,push"`,
            },
          };
        },
      },
    ],
  ],
  [
    'refuses every token',
    'REGISTRY_UNAUTHORIZED',
    ({ registry }) => [
      {
        path: /v2\/./,
        times: ALWAYS,
        answer: status(401, { 'www-authenticate': `Bearer realm="${registry.url}/token",service="s"` }),
      },
    ],
  ],
  [
    'has a token server that fails for a while',
    'right',
    () => [
      { path: /^\/token/, answer: status(502) },
      { path: /^\/token/, answer: { status: 200, drop: true } },
    ],
  ],
  [
    'has a token server that is down',
    'REGISTRY_UNAVAILABLE',
    () => [{ path: /^\/token/, times: ALWAYS, answer: { status: 200, drop: true } }],
  ],
  [
    'has a token server that sends on to another origin',
    'REGISTRY_PROTOCOL',
    ({ other }) => [{ path: /^\/token/, times: ALWAYS, answer: status(307, { location: `${other.url}/token` }) }],
  ],
  [
    'names a realm of another origin over plain HTTP',
    'REGISTRY_PROTOCOL',
    () => [
      {
        path: /v2\/./,
        times: ALWAYS,
        answer: status(401, { 'www-authenticate': 'Bearer realm="http://tokens.example/token",service="s"' }),
      },
    ],
  ],
];

const closers: Array<() => unknown> = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

/** The code of what a transfer ends with. */
async function outcomeOf(transfer: Promise<unknown>): Promise<string> {
  try {
    await transfer;
    return 'right';
  } catch (error) {
    if (isBuildError(error)) return error.code;
    throw error;
  }
}

function suite(start: () => Promise<Stage>): {
  readonly pull: (of: Case) => Promise<void>;
  readonly push: (of: Case) => Promise<void>;
} {
  let stage: Stage | undefined;
  let source: { readonly blobs: MemoryBlobs; readonly manifest: Descriptor } | undefined;
  let repositories = 0;
  const open = async () => {
    stage ??= await start();
    source ??= imageOf();
    stage.registry.calm();
    stage.other.calm();
    stage.other.requests.length = 0;
    stage.other.putBlob('app', LAYER);
    const { client } = createTestClient({ login: LOGIN });
    closers.push(client.close);
    repositories += 1;
    const reference = parseReference(`${stage.registry.host}/case${repositories}:1`);
    const push = () =>
      pushImage(client, { source: source!.blobs, manifest: source!.manifest, reference }, createTestContext());
    return { ...stage, ...source, client, reference, push };
  };
  const checkOther = ({ other }: Stage): void => {
    const told = other.requests.flatMap(({ headers }) => [headers.authorization, headers.cookie]);
    expect(told.filter((secret) => secret !== undefined)).toEqual([]);
  };
  const pullWhole = async ({ client, reference }: Pick<Awaited<ReturnType<typeof open>>, 'client' | 'reference'>) => {
    const root = mkdtempSync(join(tmpdir(), 'zlayer-faults-'));
    closers.push(() => rmSync(root, { recursive: true }));
    const { blobs } = await openStore({ root });
    const platform = { os: 'linux', architecture: 'amd64' };
    const outcome = await outcomeOf(pullImage(client, { reference, platform, sink: blobs }, createTestContext()));
    return { outcome, kept: storedIn(root) };
  };
  return {
    pull: async ([, outcome, faults]) => {
      const at = await open();
      await at.push();
      at.registry.inject(...faults(at));
      const { client } = createTestClient({ login: LOGIN });
      closers.push(client.close);
      const pulled = await pullWhole({ ...at, client });
      expect([pulled.outcome, at.registry.calm()]).toEqual([outcome, 0]);
      if (outcome === 'right') expect(pulled.kept).toEqual([...at.blobs.blobs.keys()].sort());
      checkOther(at);
    },
    push: async ([, outcome, faults]) => {
      const at = await open();
      at.registry.inject(...faults(at));
      expect([await outcomeOf(at.push()), at.registry.calm()]).toEqual([outcome, 0]);
      const { client } = createTestClient({ login: LOGIN });
      closers.push(client.close);
      // What failed is not there under its name; what did not is there as it was.
      const { outcome: found, kept } = await pullWhole({ ...at, client });
      const isThere =
        outcome === 'right' || at.registry.seen('PUT').some((line) => line.includes(`case${repositories}/manifests`));
      expect(found).toBe(isThere ? 'right' : 'IMAGE_NOT_FOUND');
      expect(kept).toEqual(isThere ? [...at.blobs.blobs.keys()].sort() : []);
      checkOther(at);
    },
  };
}

function imageOf(): { readonly blobs: MemoryBlobs; readonly manifest: Descriptor } {
  const blobs = createMemoryBlobs();
  return { blobs, manifest: manifestIn(blobs, ['small', LAYER]) };
}

/** The digests of all blobs in a store, each of which is looked at. */
function storedIn(root: string): readonly string[] {
  const directory = join(root, 'blobs/sha256');
  const names = readdirSync(directory);
  for (const name of names) expect(digestHex(digestOf(readFileSync(join(directory, name))))).toBe(name);
  return names.map((name) => `sha256:${name}`).sort();
}

const missing = missingPrograms('docker-registry');
const real: { registry?: DockerRegistry } = {};
const started: FaultRegistry[] = [];

async function startStage(options: Parameters<typeof startFaultRegistry>[0]): Promise<Stage> {
  const stage = { registry: await startFaultRegistry(options), other: await startFaultRegistry() };
  started.push(stage.registry, stage.other);
  return stage;
}

afterAll(async () => {
  for (const registry of started) await registry.close();
  await real.registry?.stop();
});

describe('a registry with tokens', () => {
  const { pull, push } = suite(() =>
    startStage({ auth: { kind: 'token', username: LOGIN.username, password: LOGIN.password } }),
  );
  it.each([...PULLS, ...LOGINS])('that %s is pulled from: %s', (...of) => pull(of));
  it.each([...PUSHES, ...LOGINS])('that %s is pushed to: %s', (...of) => push(of));
});

describe.skipIf(missing.length > 0)('docker-registry behind what', () => {
  beforeAll(async () => {
    real.registry = await startDockerRegistry();
  });
  const { pull, push } = suite(() => startStage({ upstream: real.registry!.host }));
  it.each(PULLS)('%s is pulled from: %s', (...of) => pull(of));
  it.each(PUSHES)('%s is pushed to: %s', (...of) => push(of));
});
