import { create } from '@bufbuild/protobuf';
import { BuildError, ERROR_CODES, type ErrorCode, type ErrorKind, type SourceLocation } from '../core/index.ts';
import { ErrorSchema, type Error as WireError } from './generated/build_service_pb.ts';

/** The words with which daemons of the first protocol tell errors apart. */
const WORD_OF_KIND: Readonly<Record<ErrorKind, string>> = {
  usage: 'parse',
  input: 'parse',
  unsupported: 'parse',
  'not-found': 'exec',
  auth: 'exec',
  unavailable: 'exec',
  step: 'exec',
  conflict: 'init',
  environment: 'init',
  corrupt: 'init',
  internal: 'init',
  cancelled: 'cancelled',
};

/** What of an error is sent. */
export interface ErrorMessageOptions {
  /** With the text of the file that the location is in, from which an excerpt is made; default true. */
  readonly locationText?: boolean;
}

/** An error as the last event of a build. */
export function toErrorMessage(error: BuildError, { locationText = true }: ErrorMessageOptions = {}): WireError {
  const { code, message, kind, hint, facts, location } = error;
  const place = location === undefined || locationText ? location : { ...location, text: '' };
  return create(ErrorSchema, {
    message,
    kind: WORD_OF_KIND[kind],
    code,
    hint: hint ?? '',
    factsJson: toJson(facts),
    locationJson: toJson(place),
  });
}

/**
 * The error that a message tells. A code that this version does not know, or none as in the first protocol, becomes
 * `BACKEND_FAILED`.
 */
export function fromErrorMessage(message: WireError, cause?: unknown): BuildError {
  const code = codeOf(message);
  const location = fromJson<SourceLocation>(message.locationJson);
  return new BuildError(code, textOf(message, code), {
    facts: fromJson(message.factsJson),
    ...(message.hint === '' ? {} : { hint: message.hint }),
    ...(location === undefined ? {} : { location }),
    ...(cause === undefined ? {} : { cause }),
  } as ConstructorParameters<typeof BuildError>[2]);
}

function codeOf({ code, kind }: WireError): ErrorCode {
  if (Object.hasOwn(ERROR_CODES, code)) return code as ErrorCode;
  return kind === 'cancelled' ? 'CANCELLED' : 'BACKEND_FAILED';
}

function textOf({ message, code, kind }: WireError, known: ErrorCode): string {
  if (code === known) return message;
  const word = code || kind;
  return `The build daemon could not build${word === '' ? '' : ` (${word})`}: ${message || 'it does not say why'}`;
}

function toJson(value: unknown): Uint8Array {
  return value === undefined ? new Uint8Array() : Buffer.from(JSON.stringify(value));
}

function fromJson<T>(bytes: Uint8Array): T | undefined {
  if (bytes.length === 0) return undefined;
  try {
    return JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8')) as T;
  } catch {
    return undefined;
  }
}
