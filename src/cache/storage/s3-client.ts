import { BuildError, type RunContext } from '../../core/index.ts';
import { createTransport, DEFAULT_TIMEOUTS, type HttpRequest, type HttpResponse } from '../../registry/index.ts';
import type { S3Location } from '../types.ts';
import { readPatiently, sendPatiently } from './send-patiently.ts';

/** One object, asked for once. */
interface S3Request {
  readonly method: 'GET' | 'HEAD' | 'PUT';
  readonly key: string;
  /** Opened anew for every attempt. */
  readonly body?: () => AsyncIterable<Uint8Array>;
  readonly sizeBytes?: number;
  /** SHA-256 of the body in hex: the store checks it. */
  readonly sha256?: string;
  /** First byte that is wanted. */
  readonly offset?: number;
}

/** Objects of one bucket. Keys are without the location's prefix. */
export interface S3Client {
  /** @throws BuildError `BLOB_MISSING` when there is no such object. */
  get(key: string, context: RunContext): AsyncIterable<Uint8Array>;
  /** Size in bytes; undefined when there is no such object. */
  stat(key: string, context: RunContext): Promise<number | undefined>;
  put(
    key: string,
    content: { readonly body: () => AsyncIterable<Uint8Array>; readonly sizeBytes: number; readonly sha256: string },
    context: RunContext,
  ): Promise<void>;
  close(): Promise<void>;
}

const EMPTY_SHA256 = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';
/** One request takes no more (S3, PutObject). */
const MAX_OBJECT_BYTES = 5 * 2 ** 30;

/**
 * A client of an S3 store. Requests are signed with version 4 and repeated when the store or the network stumbles.
 *
 * @throws BuildError from its methods: `CREDENTIALS_INVALID`, `REGISTRY_DENIED`, `REGISTRY_UNAVAILABLE`, `UNSUPPORTED` for an
 * object over 5 GiB, `CANCELLED`.
 */
export function createS3Client(location: S3Location, env: Readonly<Record<string, string | undefined>>): S3Client {
  const transport = createTransport({ timeouts: DEFAULT_TIMEOUTS, env });
  const secrets = readSecrets(location, env);

  const sign = async (wanted: S3Request): Promise<HttpRequest> => {
    const { method, sizeBytes, offset = 0 } = wanted;
    const url = urlOf(location, wanted.key);
    const { AwsV4Signer } = await import('aws4fetch');
    const signer = new AwsV4Signer({
      ...secrets,
      method,
      url: url.href,
      headers: { 'x-amz-content-sha256': wanted.sha256 ?? EMPTY_SHA256 },
      service: 's3',
      region: location.region,
    });
    const { headers: signed } = await signer.sign();
    const headers = {
      ...Object.fromEntries(signed),
      ...(sizeBytes === undefined ? {} : { 'content-length': String(sizeBytes) }),
      ...(offset === 0 ? {} : { range: `bytes=${offset}-` }),
    };
    return { url, method, headers, body: wanted.body?.(), tls: { insecure: false } };
  };
  const send = (wanted: S3Request, context: RunContext): Promise<HttpResponse> => {
    const toError = async (failure: HttpResponse | Error): Promise<BuildError> =>
      failure instanceof Error ? unavailable(location, failure.message, failure) : errorOf(location, failure);
    return sendPatiently(transport, { request: () => sign(wanted), toError }, context);
  };

  return {
    get: (key, context) =>
      readPatiently(async (offset) => {
        const answer = await send({ method: 'GET', key, offset }, context);
        if (answer.status === (offset === 0 ? 200 : 206)) return answer.body;
        await refuseUnless404(location, answer);
        throw new BuildError('BLOB_MISSING', `The bucket ${location.bucket} has no object ${key}.`);
      }, context),
    stat: async (key, context) => {
      const answer = await send({ method: 'HEAD', key }, context);
      await answer.discard();
      if (answer.status === 200) return Number(answer.header('content-length'));
      await refuseUnless404(location, answer);
      return undefined;
    },
    put: async (key, content, context) => {
      if (content.sizeBytes > MAX_OBJECT_BYTES) {
        throw new BuildError('UNSUPPORTED', `A layer of ${content.sizeBytes} bytes is too large for one S3 object.`, {
          hint: 'Write the cache to a registry: --cache-to type=registry,ref=….',
        });
      }
      const answer = await send({ method: 'PUT', key, ...content }, context);
      if (answer.status === 200) return answer.discard();
      throw await errorOf(location, answer);
    },
    close: () => transport.close(),
  };
}

function readSecrets(
  location: S3Location,
  env: Readonly<Record<string, string | undefined>>,
): { readonly accessKeyId: string; readonly secretAccessKey: string; readonly sessionToken?: string } {
  const accessKeyId = location.accessKeyId ?? env.AWS_ACCESS_KEY_ID;
  const secretAccessKey = location.secretAccessKey ?? env.AWS_SECRET_ACCESS_KEY;
  const sessionToken = location.sessionToken ?? env.AWS_SESSION_TOKEN;
  if (!accessKeyId || !secretAccessKey) {
    throw new BuildError('CREDENTIALS_INVALID', `There is no sign-in for the bucket ${location.bucket}.`, {
      hint: 'Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.',
    });
  }
  return { accessKeyId, secretAccessKey, ...(sessionToken ? { sessionToken } : {}) };
}

function urlOf({ bucket, region, prefix = '', endpointUrl, usePathStyle }: S3Location, key: string): URL {
  const url = new URL(endpointUrl ?? `https://s3.${region}.amazonaws.com`);
  const path = `${prefix}${key}`.split('/').map(encodeURIComponent).join('/');
  if (usePathStyle) url.pathname = `${url.pathname.replace(/\/$/, '')}/${bucket}/${path}`;
  else {
    url.hostname = `${bucket}.${url.hostname}`;
    url.pathname = `/${path}`;
  }
  return url;
}

async function refuseUnless404(location: S3Location, answer: HttpResponse): Promise<void> {
  if (answer.status !== 404) throw await errorOf(location, answer);
  await answer.discard();
}

const MAX_ERROR_CHARS = 2_000;

async function errorOf(location: S3Location, answer: HttpResponse): Promise<BuildError> {
  let text = '';
  for await (const chunk of answer.body) {
    text += Buffer.from(chunk).toString('latin1');
    if (text.length > MAX_ERROR_CHARS) break;
  }
  const why = /<Message>([^<]*)<\/Message>/.exec(text)?.[1] ?? `it answered with status ${answer.status}`;
  if (answer.status !== 401 && answer.status !== 403) return unavailable(location, why);
  return new BuildError('REGISTRY_DENIED', `The bucket ${location.bucket} denies access: ${why}.`, {
    hint: 'Check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, the region, and the rights of the key.',
  });
}

function unavailable({ bucket }: S3Location, why: string, cause?: Error): BuildError {
  return new BuildError('REGISTRY_UNAVAILABLE', `The bucket ${bucket} cannot be used: ${why}.`, { cause });
}
