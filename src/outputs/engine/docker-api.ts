import { existsSync, readFileSync } from 'node:fs';
import { type ClientRequest, type IncomingMessage, type RequestOptions, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { BuildError, isBuildError, type RunContext, throwIfCancelled } from '../../core/index.ts';
import type { DockerEndpoint } from './docker-endpoint.ts';

/** The part of docker's engine API (docs.docker.com/reference/api/engine) that handing over an image takes. */
export interface DockerApi {
  readonly url: string;
  /** The JSON answer; undefined for 404. */
  get<T>(path: string, context: RunContext): Promise<T | undefined>;
  /** Sends an archive of images. @throws BuildError `OUTPUT_FAILED` with what the engine said. */
  load(archive: AsyncIterable<Uint8Array>, context: RunContext): Promise<void>;
}

const DEFAULT_PORT = 2375;
/** Of an answer; progress beyond it is not read. */
const TEXT_LIMIT = 16 << 20;

/** @throws BuildError `UNSUPPORTED` for an endpoint that cannot be spoken to, such as `ssh://`. */
export function createDockerApi(endpoint: DockerEndpoint): DockerApi {
  const { url } = endpoint;
  const connection = connectionOf(endpoint);
  const send = connection.isTls ? requestHttps : requestHttp;
  const open = (options: RequestOptions, { signal }: RunContext): ClientRequest =>
    send({ ...connection.options, ...options, headers: { ...connection.options.headers, ...options.headers }, signal });
  return {
    url,
    get: async <T>(path: string, context: RunContext): Promise<T | undefined> =>
      guard(url, context, async () => {
        const request = open({ path, timeout: 30_000 }, context);
        request.on('timeout', () => request.destroy(new Error('it does not answer')));
        request.end();
        const { status, text } = await answerOf(request);
        if (status === 404) return undefined;
        if (status !== 200) throw refused(url, status, text);
        return JSON.parse(text) as T;
      }),
    load: async (archive, context) =>
      guard(url, context, async () => {
        const headers = { 'content-type': 'application/x-tar', 'transfer-encoding': 'chunked' };
        const request = open({ path: '/images/load?quiet=1', method: 'POST', headers }, context);
        const answering = answerOf(request);
        answering.catch(() => undefined);
        // An engine may refuse before it has read everything: what it says counts, not the broken pipe.
        const failure = await pipeline(Readable.from(archive, { objectMode: false }), request).catch((e: unknown) => e);
        if (isBuildError(failure)) throw failure;
        const { status, text } = await answering;
        if (status !== 200) throw refused(url, status, text);
        const said = failureIn(text);
        if (said !== undefined) throw failed(url, said);
      }),
  };
}

interface Connection {
  readonly options: RequestOptions & { readonly rejectUnauthorized?: boolean };
  readonly isTls: boolean;
}

function connectionOf({ url, tlsDirectory, verify = true }: DockerEndpoint): Connection {
  const path = /^unix:\/\/(.+)$/.exec(url)?.[1];
  // Node.js puts the name into the Host header; engines refuse an odd one.
  if (path !== undefined) return { options: { socketPath: path, headers: { host: 'docker' } }, isTls: false };
  const [, scheme, host, port] = /^(tcp|https?):\/\/(\[[^\]]+\]|[^:/]+)(?::(\d+))?\/?$/.exec(url) ?? [];
  if (host === undefined) {
    throw new BuildError(
      'UNSUPPORTED',
      `The docker engine at ${url} cannot be reached: only unix:// and tcp:// can be.`,
      {
        hint: 'Name another with DOCKER_HOST, or write a file for it: -o type=docker,dest=FILE.',
      },
    );
  }
  const hostname = host.replace(/^\[|\]$/g, '');
  const address = { hostname, port: Number(port ?? (tlsDirectory === undefined ? DEFAULT_PORT : DEFAULT_PORT + 1)) };
  if (tlsDirectory === undefined && scheme !== 'https') return { options: address, isTls: false };
  const read = (name: string): Buffer | undefined => {
    const file = join(tlsDirectory ?? '', name);
    return existsSync(file) ? readFileSync(file) : undefined;
  };
  const [ca, cert, key] = [read('ca.pem'), read('cert.pem'), read('key.pem')];
  const options = {
    ...address,
    rejectUnauthorized: verify,
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  };
  return { options, isTls: true };
}

interface Answer {
  readonly status: number;
  readonly text: string;
}

function answerOf(request: ClientRequest): Promise<Answer> {
  return new Promise((resolve, reject) => {
    request.once('error', reject);
    request.once('response', (response: IncomingMessage) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        if (text.length < TEXT_LIMIT) text += chunk;
      });
      response.once('error', reject);
      response.once('end', () => resolve({ status: response.statusCode ?? 0, text }));
    });
  });
}

/** A load that failed ends with 200 as well; the reason stands in the stream of JSON messages. */
function failureIn(text: string): string | undefined {
  for (const line of text.split(/\r?\n/)) {
    let message: { readonly error?: unknown; readonly stream?: unknown };
    try {
      message = JSON.parse(line) as typeof message;
    } catch {
      continue;
    }
    if (typeof message?.error === 'string') return message.error;
    // With the containerd image store the image is there then, and cannot be run.
    if (typeof message?.stream === 'string' && /^Error unpacking image/.test(message.stream))
      return message.stream.trim();
  }
  return undefined;
}

async function guard<T>(url: string, { signal }: RunContext, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throwIfCancelled(signal);
    if (isBuildError(error)) throw error;
    throw failed(url, (error as Error).message, error);
  }
}

function refused(url: string, status: number, text: string): BuildError {
  let said = text.trim().slice(0, 500);
  try {
    said = (JSON.parse(text) as { readonly message?: string }).message ?? said;
  } catch {
    // It is told as it came.
  }
  return failed(url, `it answered ${status}${said === '' ? '' : `: ${said}`}`);
}

function failed(url: string, why: string, cause?: unknown): BuildError {
  return new BuildError('OUTPUT_FAILED', `The image could not be loaded into docker at ${url}: ${why}.`, {
    cause,
    hint: 'The image was built and is in the store of zlayer.',
  });
}
