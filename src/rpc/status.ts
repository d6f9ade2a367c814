import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { Metadata, type ServiceError, type StatusObject, status } from '@grpc/grpc-js';
import { BuildError, type ErrorCode, type ErrorKind, isBuildError, toBuildError } from '../core/index.ts';
import { fromErrorMessage, toErrorMessage } from './error-message.ts';
import { ErrorSchema } from './generated/build_service_pb.ts';

/** The gRPC status of each kind of error (house style, table of kinds). */
export const STATUS_OF_KIND: Readonly<Record<ErrorKind, status>> = {
  usage: status.INVALID_ARGUMENT,
  input: status.INVALID_ARGUMENT,
  step: status.ABORTED,
  'not-found': status.NOT_FOUND,
  auth: status.UNAUTHENTICATED,
  unavailable: status.UNAVAILABLE,
  unsupported: status.UNIMPLEMENTED,
  environment: status.FAILED_PRECONDITION,
  conflict: status.ABORTED,
  corrupt: status.DATA_LOSS,
  cancelled: status.CANCELLED,
  internal: status.INTERNAL,
};

/** For daemons that send a status alone. What they say is kept as the message. */
const CODE_OF_STATUS: Readonly<Partial<Record<status, ErrorCode>>> = {
  [status.CANCELLED]: 'CANCELLED',
  [status.INVALID_ARGUMENT]: 'USAGE',
  [status.NOT_FOUND]: 'IMAGE_NOT_FOUND',
  [status.DEADLINE_EXCEEDED]: 'BACKEND_UNAVAILABLE',
  [status.UNAVAILABLE]: 'BACKEND_UNAVAILABLE',
  [status.UNIMPLEMENTED]: 'UNSUPPORTED',
  [status.UNAUTHENTICATED]: 'BACKEND_UNAVAILABLE',
  [status.PERMISSION_DENIED]: 'BACKEND_UNAVAILABLE',
};

/** Trailer that holds an `Error` message. */
const ERROR_KEY = 'zlayer-error-bin';
/** Trailers share the 8 KiB that most programs allow for headers. */
const MAX_TRAILER_BYTES = 4096;
const MAX_DETAILS = 1024;

/** The status with which a server ends a call that failed. */
export function toStatus(thrown: unknown): StatusObject {
  const error = toBuildError(thrown);
  const metadata = new Metadata();
  const bytes = toTrailer(error);
  if (bytes !== undefined) metadata.set(ERROR_KEY, bytes);
  return { code: STATUS_OF_KIND[error.kind], details: shorten(error.message), metadata };
}

/** A status' text is a header too. */
function shorten(text: string): string {
  return text.length <= MAX_DETAILS ? text : `${text.slice(0, MAX_DETAILS)}…`;
}

/** As much of the error as fits: its facts go first; code and message travel with every status. */
function toTrailer(error: BuildError): Buffer | undefined {
  const whole = toErrorMessage(error, { locationText: false });
  const attempts = [whole, { ...whole, factsJson: new Uint8Array() }, toErrorMessage(new BuildError(error.code, ''))];
  return attempts
    .map((message) => Buffer.from(toBinary(ErrorSchema, { ...message, message: '' })))
    .find((bytes) => bytes.length <= MAX_TRAILER_BYTES);
}

/** True for an error with which the gRPC library ended a call. */
export function isServiceError(value: unknown): value is ServiceError {
  return value instanceof Error && 'code' in value && typeof value.code === 'number' && 'details' in value;
}

/** Turns what a call threw into a `BuildError`; the library's own error stays its `cause`. */
export function fromStatus(thrown: unknown): BuildError {
  if (isBuildError(thrown) || !isServiceError(thrown)) return toBuildError(thrown);
  const [bytes] = thrown.metadata?.get(ERROR_KEY) ?? [];
  if (Buffer.isBuffer(bytes)) {
    const told = fromBinary(ErrorSchema, bytes);
    return fromErrorMessage({ ...told, message: thrown.details }, thrown);
  }
  const code = CODE_OF_STATUS[thrown.code] ?? 'BACKEND_FAILED';
  if (code === 'CANCELLED') return new BuildError(code, 'The operation was cancelled.', { cause: thrown });
  return new BuildError(code, `The build daemon refused: ${thrown.details || status[thrown.code]}`, { cause: thrown });
}

/** The gRPC status behind an error of `fromStatus`; undefined for one that was made here. */
export function statusOf(error: unknown): status | undefined {
  if (isServiceError(error)) return error.code;
  return error instanceof BuildError && isServiceError(error.cause) ? error.cause.code : undefined;
}
