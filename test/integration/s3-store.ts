import { createHash, createHmac } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** An S3 store in memory with one key, for tests: it checks signatures and bodies, and stumbles when it is told to. */
export interface S3Store {
  readonly endpointUrl: string;
  /** By path, bucket first. */
  readonly objects: ReadonlyMap<string, Buffer>;
  /** Requests that were answered with success, as `METHOD path`. */
  readonly served: readonly string[];
  /** The next so many requests are answered with 503. */
  stumble(times: number): void;
  close(): Promise<void>;
}

export const S3_KEY = { accessKeyId: 'AKIDTEST', secretAccessKey: 'the secret' };
const MAX_BODY = 64 << 20;

export async function startS3Store(): Promise<S3Store> {
  const objects = new Map<string, Buffer>();
  const served: string[] = [];
  let stumbles = 0;
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = await readBody(request);
    const path = decodeURIComponent(request.url ?? '').slice(1);
    if (stumbles > 0) {
      stumbles -= 1;
      return end(response, 503, error('Please slow down'));
    }
    if (!isSigned(request, body)) return end(response, 403, error('The signature does not match'));
    const found = objects.get(path);
    if (request.method !== 'PUT' && found === undefined) return end(response, 404, error('No such key'));
    if (request.method === 'PUT') objects.set(path, body);
    served.push(`${request.method} ${path}`);
    if (request.method === 'HEAD') response.setHeader('content-length', found!.length);
    end(response, 200, request.method === 'GET' ? found! : Buffer.alloc(0));
  };
  const server = createServer((request, response) => {
    answer(request, response).catch((thrown: Error) => end(response, 500, error(thrown.message)));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    endpointUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    objects,
    served,
    stumble: (times) => {
      stumbles = times;
    },
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}

function end(response: ServerResponse, status: number, body: Buffer): void {
  response.statusCode = status;
  if (!response.hasHeader('content-length')) response.setHeader('content-length', body.length);
  response.end(body);
}

function error(message: string): Buffer {
  return Buffer.from(`<Error><Message>${message}</Message></Error>`);
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > MAX_BODY) throw new Error('too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** Signature version 4 of AWS (Authenticating Requests: Using the Authorization Header), computed anew from what arrived. */
function isSigned(request: IncomingMessage, body: Buffer): boolean {
  const { headers, method = '', url = '' } = request;
  const found =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/s3\/aws4_request, SignedHeaders=([^,]+), Signature=(\w+)$/.exec(
      headers.authorization ?? '',
    );
  if (found === null) return false;
  const [, key, day = '', region = '', signed = '', signature] = found;
  const bodyHash = headers['x-amz-content-sha256'];
  if (key !== S3_KEY.accessKeyId || bodyHash !== createHash('sha256').update(body).digest('hex')) return false;
  const canonical = [
    method,
    url,
    '',
    ...signed.split(';').map((name) => `${name}:${String(headers[name])}`),
    '',
    signed,
    bodyHash,
  ].join('\n');
  const scope = `${day}/${region}/s3/aws4_request`;
  const hash = createHash('sha256').update(canonical).digest('hex');
  const text = ['AWS4-HMAC-SHA256', String(headers['x-amz-date']), scope, hash].join('\n');
  const signingKey = [day, region, 's3', 'aws4_request'].reduce<Buffer | string>(
    (secret, part) => createHmac('sha256', secret).update(part).digest(),
    `AWS4${S3_KEY.secretAccessKey}`,
  );
  return createHmac('sha256', signingKey).update(text).digest('hex') === signature;
}
