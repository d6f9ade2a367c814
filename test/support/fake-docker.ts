import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createWriteStream, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { gunzipSync } from 'node:zlib';

/** What was asked to be loaded, in one request. */
export interface FakeLoad {
  readonly names: readonly string[];
  /** Digests of the layers whose bytes were in the archive. */
  readonly layers: readonly string[];
  readonly sizeBytes: number;
  readonly error: string | undefined;
}

/** A docker engine's API as far as images are loaded through it (docs.docker.com/reference/api/engine), on a socket. */
export interface FakeDocker {
  /** For `DOCKER_HOST`. */
  readonly host: string;
  readonly loads: readonly FakeLoad[];
  /** Image ids by short name. */
  readonly names: ReadonlyMap<string, string>;
  /** Forgets all images and layers, without a word to anybody. */
  forgetLayers(): void;
  close(): Promise<void>;
}

interface Config {
  readonly rootfs: { readonly diff_ids: readonly string[] };
}

interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

/**
 * `classic`: layers are kept by chain, and a layer's file is opened only where there is none of that chain (moby, image/tarexport).
 * `containerd`: blobs are kept by digest, and an archive may lack some; an image that then cannot be unpacked is told of in
 * the stream (moby, daemon/containerd).
 */
export async function openFakeDocker(root: string, store: 'classic' | 'containerd' = 'classic'): Promise<FakeDocker> {
  mkdirSync(root, { recursive: true });
  const socket = join(root, 'docker.sock');
  const loads: FakeLoad[] = [];
  const names = new Map<string, string>();
  const images = new Map<string, readonly string[]>();
  const chains = new Set<string>();
  const blobs = new Map<string, Buffer>();
  const load = async (request: IncomingMessage): Promise<FakeLoad> => {
    const archive = join(root, `load-${loads.length}`);
    await pipeline(request, createWriteStream(`${archive}.tar`));
    mkdirSync(archive);
    execFileSync('tar', ['-xf', `${archive}.tar`, '-C', archive]);
    const loaded: string[] = [];
    let error: string | undefined;
    try {
      loaded.push(...(store === 'classic' ? loadClassic(archive) : loadByDigest(archive)));
    } catch (thrown) {
      error = (thrown as Error).message;
    }
    const { size } = statSync(`${archive}.tar`);
    const layers = readdirSync(join(archive, 'blobs/sha256')).filter((name) =>
      isLayer(join(archive, 'blobs/sha256', name)),
    );
    rmSync(archive, { recursive: true });
    rmSync(`${archive}.tar`);
    const done = { names: loaded, layers: layers.map((name) => `sha256:${name}`), sizeBytes: size, error };
    loads.push(done);
    return done;
  };

  function loadClassic(archive: string): readonly string[] {
    const manifest = JSON.parse(readFileSync(join(archive, 'manifest.json'), 'utf8')) as ReadonlyArray<{
      readonly Config: string;
      readonly RepoTags: readonly string[] | null;
      readonly Layers: readonly string[];
    }>;
    return manifest.flatMap(({ Config, RepoTags, Layers }) => {
      const bytes = readFileSync(join(archive, Config));
      const { diff_ids } = (JSON.parse(bytes.toString()) as Config).rootfs;
      if (diff_ids.length !== Layers.length) throw new Error('invalid manifest, layers length mismatch');
      let chain = '';
      for (const [at, diffId] of diff_ids.entries()) {
        chain = `${chain} ${diffId}`;
        if (chains.has(chain)) continue;
        const tar = plain(readFileSync(join(archive, Layers[at]!)));
        if (`sha256:${sha256(tar)}` !== diffId) throw new Error(`invalid diffID for layer ${at}`);
        chains.add(chain);
      }
      const id = `sha256:${sha256(bytes)}`;
      images.set(id, diff_ids);
      for (const name of RepoTags ?? []) names.set(name, id);
      return RepoTags ?? [];
    });
  }

  function loadByDigest(archive: string): readonly string[] {
    const directory = join(archive, 'blobs/sha256');
    for (const name of readdirSync(directory)) {
      const bytes = readFileSync(join(directory, name));
      if (sha256(bytes) !== name) throw new Error(`unexpected commit digest of ${name}`);
      blobs.set(`sha256:${name}`, bytes);
    }
    const { manifests } = JSON.parse(readFileSync(join(archive, 'index.json'), 'utf8')) as { manifests: Descriptor[] };
    return manifests.flatMap(({ digest, annotations }) => {
      images.set(digest, []);
      const name = annotations?.['io.containerd.image.name'];
      if (name !== undefined) names.set(name, digest);
      for (const layer of layersOf(digest)) {
        if (!blobs.has(layer)) throw new Error(`Error unpacking image ${name}: content digest ${layer}: not found`);
      }
      return name ?? [];
    });
  }

  function layersOf(digest: string): readonly string[] {
    const document = JSON.parse((blobs.get(digest) ?? Buffer.from('{}')).toString()) as {
      readonly layers?: readonly Descriptor[];
      readonly manifests?: readonly Descriptor[];
    };
    const children = (document.manifests ?? []).flatMap((child) => layersOf(child.digest));
    return [...(document.layers ?? []).map((layer) => layer.digest), ...children];
  }

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const path = (request.url ?? '').split('?')[0]!;
    const inspected = /^\/images\/(.+)\/json$/.exec(path)?.[1];
    const send = (value: unknown, status = 200): void => {
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(JSON.stringify(value));
    };
    if (path === '/images/load') {
      const { error } = await load(request);
      if (error === undefined) send({ stream: 'Loaded image\n' });
      else if (store === 'containerd') send({ stream: `${error}\n` });
      else send({ errorDetail: { message: error }, error });
    } else if (path === '/version') send({ Version: '29.0.0', Components: [{ Name: 'Engine' }] });
    else if (path === '/info') send(infoOf(store));
    else if (path === '/images/json') send([...images.keys()].map((Id) => ({ Id, RepoTags: tagsOf(Id) })));
    else if (inspected !== undefined && images.has(inspected)) {
      send({ Id: inspected, RootFS: { Type: 'layers', Layers: images.get(inspected) } });
    } else send({ message: 'No such image' }, 404);
  };
  const tagsOf = (id: string): readonly string[] => [...names].flatMap(([name, each]) => (each === id ? [name] : []));
  const server = createServer((request, response) => {
    answer(request, response).catch((error: Error) => {
      response.writeHead(500);
      response.end(JSON.stringify({ message: error.message }));
    });
  });
  if (existsSync(socket)) rmSync(socket);
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  return {
    host: `unix://${socket}`,
    loads,
    names,
    forgetLayers: () => {
      chains.clear();
      blobs.clear();
    },
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

function infoOf(store: 'classic' | 'containerd'): unknown {
  const status =
    store === 'classic' ? ['Backing Filesystem', 'extfs'] : ['driver-type', 'io.containerd.snapshotter.v1'];
  return { ID: 'fake-engine', Driver: 'overlay2', DriverStatus: [status] };
}

/** Documents are JSON; a tar begins with a name. */
function isLayer(file: string): boolean {
  return readFileSync(file).at(0) !== 0x7b;
}

function plain(bytes: Buffer): Buffer {
  return bytes[0] === 0x1f && bytes[1] === 0x8b ? gunzipSync(bytes) : bytes;
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
