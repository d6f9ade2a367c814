import { BuildError } from '../core/index.ts';
import type { Endpoint } from './endpoint.ts';
import type { Redactor } from './redact.ts';
import { parseRetryAfter, type Timing } from './retry.ts';
import type { HttpResponse } from './transport.ts';

const BODY_LIMIT = 64 * 1024;
const SHOWN_LIMIT = 600;

/** What a refusal says of itself. It is the `cause` of the error made of it. */
export interface Refusal {
  readonly kind: 'refusal';
  readonly status: number;
  /** Codes of the distribution protocol, or of an extension of it; may be empty. */
  readonly codes: readonly string[];
  /** Redacted text for people; may be empty. */
  readonly text: string;
  /** From `Retry-After`. */
  readonly retryAfterMs: number | undefined;
  /** What the registry says of its limit (`ratelimit-limit`, `ratelimit-remaining`), as a sentence. */
  readonly quota: string | undefined;
}

/** The refusal that an error was made of. */
export function refusalOf(error: unknown): Refusal | undefined {
  const cause = error instanceof Error ? error.cause : undefined;
  return typeof cause === 'object' && cause !== null && (cause as Partial<Refusal>).kind === 'refusal'
    ? (cause as Refusal)
    : undefined;
}

/** What was asked for when a refusal came. */
export interface RefusedRequest {
  /** Completes "Could not …". */
  readonly purpose: string;
  readonly endpoint: Endpoint;
  readonly method: string;
  readonly path: string;
  /** What a 404 means. Default `REGISTRY_PROTOCOL`. */
  readonly notFound?: 'IMAGE_NOT_FOUND' | undefined;
  /** Where the credentials in use came from. */
  readonly credentialSource: string;
}

/** Reads at most `limit` bytes of a body. Undefined when it is longer. */
export async function readBytes(body: AsyncIterable<Uint8Array>, limit: number): Promise<Buffer | undefined> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > limit) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, size);
}

/** Reads the body of a refusal. Never throws: a body that cannot be read counts as empty. */
export async function readRefusal(
  response: HttpResponse,
  { redactor, timing }: { readonly redactor: Redactor; readonly timing: Timing },
): Promise<Refusal> {
  const body = await readBytes(response.body, BODY_LIMIT).catch(() => undefined);
  const text = body?.toString('utf8') ?? '';
  const errors = parseErrors(text);
  const isText = /^(application\/(.*\+)?json|text\/plain)\b/.test(response.header('content-type') ?? '');
  const shown = errors.length > 0 ? errors.map(formatError).join('; ') : isText ? text.trim() : '';
  return {
    kind: 'refusal',
    status: response.status,
    retryAfterMs: parseRetryAfter(response.header('retry-after'), timing.now()),
    codes: errors.map(({ code }) => code).filter((code) => code !== ''),
    text: shorten(redactor.redact(shown).replace(/\s+/g, ' ')),
    quota: quotaOf(response),
  };
}

/** `ratelimit-limit: 100;w=21600` (Docker Hub) or without the window (the draft of the IETF): so many in so many seconds. */
function quotaOf(response: HttpResponse): string | undefined {
  const [, limit, window] = /^(\d+)(?:;w=(\d+))?/.exec(response.header('ratelimit-limit') ?? '') ?? [];
  if (limit === undefined) return undefined;
  const left = /^\d+/.exec(response.header('ratelimit-remaining') ?? '')?.[0];
  const time = window === undefined ? '' : ` in ${formatWindow(Number(window))}`;
  return `It allows ${limit} requests${time}${left === undefined ? '' : `; ${left} are left`}.`;
}

function formatWindow(seconds: number): string {
  if (seconds >= 3600 && seconds % 3600 === 0) return seconds === 3600 ? 'an hour' : `${seconds / 3600} hours`;
  return `${seconds} seconds`;
}

interface ProtocolError {
  readonly code: string;
  readonly message: string;
  readonly detail: string;
}

/** The `errors` list of distribution-spec, "Error Codes"; also the `details` and `error` of token servers. */
function parseErrors(text: string): readonly ProtocolError[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return [];
  }
  if (typeof value !== 'object' || value === null) return [];
  const body = value as Readonly<Record<string, unknown>>;
  const list = Array.isArray(body.errors) ? (body.errors as readonly unknown[]) : [body];
  return list
    .filter((entry): entry is Readonly<Record<string, unknown>> => typeof entry === 'object' && entry !== null)
    .map((entry) => ({
      code: textOf(entry.code) || textOf(entry.error),
      message: textOf(entry.message) || textOf(entry.error_description) || textOf(entry.details),
      detail: detailOf(entry.detail),
    }))
    .filter(({ code, message }) => code !== '' || message !== '');
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function detailOf(value: unknown): string {
  if (typeof value === 'string') return value;
  if (typeof value !== 'object' || value === null || Object.keys(value).length === 0) return '';
  return JSON.stringify(value);
}

function formatError({ code, message, detail }: ProtocolError): string {
  const head = [code, message].filter((part) => part !== '').join(': ');
  return detail === '' ? head : `${head} (${detail})`;
}

function shorten(text: string): string {
  return text.length <= SHOWN_LIMIT ? text : `${text.slice(0, SHOWN_LIMIT)}…`;
}

/** Turns a refusal into the error that tells it, with the registry's own words and with what to do. */
export function toRefusalError(refusal: Refusal, request: RefusedRequest): BuildError {
  const { registry } = request.endpoint;
  const said = refusal.text === '' ? '' : `, "${refusal.text}"`;
  const message = `Could not ${request.purpose}: ${registry} answered ${refusal.status}${said} to ${request.method} ${request.path}.`;
  const { status, codes } = refusal;
  if (status === 401 || codes.includes('UNAUTHORIZED')) return unauthorizedError(message, refusal, request);
  if (status === 403 || codes.includes('DENIED')) {
    return new BuildError('REGISTRY_DENIED', `${message} Credentials: ${request.credentialSource}.`, {
      cause: refusal,
      hint: `Check that this account may do so on ${registry}, or log in as another with \`zlayer login ${registry}\`.`,
    });
  }
  if (status === 404 && request.notFound !== undefined) {
    return new BuildError(request.notFound, message, {
      cause: refusal,
      hint: 'Check the spelling of repository and tag. Some registries answer so for images that need a login.',
    });
  }
  if (status === 429) {
    return new BuildError('REGISTRY_RATE_LIMITED', message, { cause: refusal, hint: rateLimitHint(refusal, request) });
  }
  if (status === 408 || (status >= 500 && status !== 501)) {
    const hint = 'Try again later; the registry has a problem.';
    return new BuildError('REGISTRY_UNAVAILABLE', message, { cause: refusal, hint });
  }
  return new BuildError('REGISTRY_PROTOCOL', message, { cause: refusal, hint: protocolHint(refusal, request) });
}

function unauthorizedError(
  message: string,
  refusal: Refusal,
  { endpoint, credentialSource }: RefusedRequest,
): BuildError {
  return new BuildError('REGISTRY_UNAUTHORIZED', `${message} Credentials: ${credentialSource}.`, {
    cause: refusal,
    facts: { registry: endpoint.registry, credentialSource },
    hint: `Log in with \`zlayer login ${endpoint.registry}\`, and check the name: registries answer so for what does not exist, too.`,
  });
}

function rateLimitHint({ retryAfterMs, quota }: Refusal, { endpoint }: RefusedRequest): string {
  const wait = retryAfterMs === undefined ? 'Wait' : `Wait ${Math.ceil(retryAfterMs / 1000)} seconds`;
  return `${quota === undefined ? '' : `${quota} `}${wait} and try again. Most registries allow more after \`zlayer login ${endpoint.registry}\`.`;
}

function protocolHint({ status }: Refusal, { endpoint }: RefusedRequest): string | undefined {
  if (status === 404) return `Check that ${endpoint.registry} is a container registry.`;
  if (status === 405 || status === 501) return 'The registry, or a proxy before it, does not support this.';
  if (status === 413) return 'The registry, or a proxy before it, limits the size of requests; raise that limit.';
  return undefined;
}
