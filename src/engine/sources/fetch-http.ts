import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { treeFromEntries } from '../../archive/index.ts';
import {
  BuildError,
  bytePathOf,
  type Digest,
  digestAlgorithm,
  digestHex,
  digestOf,
  type RunContext,
} from '../../core/index.ts';
import type { HttpOp } from '../../graph/index.ts';
import type { Store } from '../../store/index.ts';
import type { EngineEnv, SecretProvider, TreeResult } from '../types.ts';
import { type DownloadResult, downloadFile, type Validators } from './http-download.ts';
import { redactUrl } from './redact-url.ts';

/** What is remembered of a URL. */
interface KnownDownload extends Validators {
  /** sha256. */
  readonly digest: Digest;
  readonly sha512?: Digest | undefined;
  readonly sizeBytes: number;
}

/** A file that lies in the area `downloads`. */
export interface Download extends KnownDownload {
  readonly path: string;
}

/** A URL to be downloaded. */
export interface HttpRequest {
  readonly url: string;
  readonly checksum?: Digest;
  /** Value of an `Authorization` header, for the origin of the URL alone. */
  readonly authorization?: string | undefined;
  /** For progress events. */
  readonly vertex: string;
}

/**
 * Fetches the source of an ADD: one file, 0600, 0:0, with the time of the server's `Last-Modified` or the epoch. What is here
 * already is asked for by its validators only, or not at all when its checksum is given. Secrets: `HTTP_AUTH_HEADER_<host>` (a
 * whole header value) or `HTTP_AUTH_TOKEN_<host>` (a bearer token).
 *
 * @throws BuildError `DOWNLOAD_FAILED`, `CHECKSUM_MISMATCH`, `CANCELLED`.
 */
export async function fetchHttp(
  { env }: { readonly env: Pick<EngineEnv, 'store' | 'lease' | 'secrets'> },
  { op, vertex }: { readonly op: HttpOp; readonly vertex: string },
  context: RunContext,
): Promise<TreeResult> {
  const checksum = op.checksum === undefined ? {} : { checksum: op.checksum };
  const authorization = await findAuthorization(env.secrets, op.url);
  const download = await fetchDownload(env.store, { url: op.url, vertex, authorization, ...checksum }, context);
  await env.lease.pinEntry('downloads', digestHex(download.digest));
  const { sizeBytes } = download;
  const entry = {
    path: bytePathOf(op.fileName),
    type: 'file',
    mode: 0o600,
    uid: 0,
    gid: 0,
    sizeBytes,
    mtime: timeOf(download.lastModified),
  } as const;
  const content = { kind: 'host-file', path: download.path } as const;
  return {
    kind: 'tree',
    identity: `file ${download.digest}`,
    tree: treeFromEntries([sizeBytes === 0 ? { entry } : { entry, content }]),
    ownerless: true,
    fileDigest: () => digestHex(download.digest),
  };
}

async function findAuthorization(secrets: SecretProvider, url: string): Promise<string | undefined> {
  const { host } = new URL(url);
  const header = await secrets(`HTTP_AUTH_HEADER_${host}`);
  if (header !== undefined) return Buffer.from(header).toString('utf8').trim();
  const token = await secrets(`HTTP_AUTH_TOKEN_${host}`);
  return token === undefined ? undefined : `Bearer ${Buffer.from(token).toString('utf8').trim()}`;
}

/** Downloads a URL into the store, unless what is there is still what the server has. */
export async function fetchDownload(store: Store, request: HttpRequest, context: RunContext): Promise<Download> {
  const recordKey = digestHex(digestOf(request.url));
  const known = await findKnown(store, recordKey);
  if (known !== undefined && request.checksum !== undefined && hasDigest(known, request.checksum)) return known;
  const directory = await store.makeTempDir('download-');
  try {
    const destination = join(directory, 'file');
    const alsoSha512 = request.checksum !== undefined && digestAlgorithm(request.checksum) === 'sha512';
    const validators = alsoSha512 && known?.sha512 === undefined ? {} : (known ?? {});
    const { url, vertex, authorization } = request;
    const result = await downloadFile({ url, vertex, authorization, destination, validators, alsoSha512 }, context);
    const download = await keep(store, { result, known, destination, recordKey });
    if (request.checksum !== undefined && !hasDigest(download, request.checksum)) throw mismatch(request, download);
    return download;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function findKnown(store: Store, recordKey: string): Promise<Download | undefined> {
  const record = await store.records.get<KnownDownload>('http', recordKey);
  if (record === undefined) return undefined;
  const area = store.area('downloads');
  const key = digestHex(record.digest);
  return (await area.has(key)) ? { ...record, path: area.path(key) } : undefined;
}

interface Finished {
  readonly result: DownloadResult;
  readonly known: Download | undefined;
  readonly destination: string;
  readonly recordKey: string;
}

async function keep(store: Store, { result, known, destination, recordKey }: Finished): Promise<Download> {
  if (result.kind === 'unchanged') {
    if (known !== undefined) return known;
    throw new BuildError('DOWNLOAD_FAILED', 'The server says that a file is unchanged that was never downloaded.');
  }
  const { digest, sha512, sizeBytes, validators } = result;
  const record: KnownDownload = { digest, sha512, sizeBytes, ...validators };
  const path = await store.area('downloads').create(digestHex(digest), (to) => rename(destination, to));
  await store.records.put('http', recordKey, record);
  return { ...record, path };
}

function hasDigest(download: KnownDownload, checksum: Digest): boolean {
  return download.digest === checksum || download.sha512 === checksum;
}

function timeOf(lastModified: string | undefined): number {
  const ms = Date.parse(lastModified ?? '');
  return Number.isNaN(ms) ? 0 : Math.floor(ms / 1000);
}

function mismatch({ url, checksum }: HttpRequest, download: Download): BuildError {
  const isSha512 = checksum?.startsWith('sha512:') === true;
  const actual = isSha512 ? download.sha512 : download.digest;
  return new BuildError(
    'CHECKSUM_MISMATCH',
    `${redactUrl(url)} is not what --checksum says: it is ${actual}, not ${checksum}.`,
    {
      hint: 'The file at the address has changed, or the checksum is of another file.',
    },
  );
}
