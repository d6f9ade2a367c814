import {
  create,
  type DescMessage,
  type DescMethod,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from '@bufbuild/protobuf';
import type { GenService, GenServiceMethods } from '@bufbuild/protobuf/codegenv2';
import type { MethodDefinition, ServiceDefinition } from '@grpc/grpc-js';

/** A generated service. */
export type AnyService = GenService<GenServiceMethods>;

/** What may be given where a message is expected: the message, or its fields. */
export type MessageInput<M extends DescMessage> = MessageInitShape<M>;

/** A method as the gRPC library wants it: its path and its binary codec. */
export function toMethodDefinition<I extends DescMessage, O extends DescMessage>(
  method: DescMethod & { readonly input: I; readonly output: O },
): MethodDefinition<MessageInitShape<I>, MessageInitShape<O>> {
  const { methodKind } = method;
  return {
    path: `/${method.parent.typeName}/${method.name}`,
    requestStream: methodKind === 'client_streaming' || methodKind === 'bidi_streaming',
    responseStream: methodKind === 'server_streaming' || methodKind === 'bidi_streaming',
    requestSerialize: (message) => encode(method.input, message),
    requestDeserialize: (bytes) => fromBinary(method.input, bytes) as MessageInitShape<I>,
    responseSerialize: (message) => encode(method.output, message),
    responseDeserialize: (bytes) => fromBinary(method.output, bytes) as MessageInitShape<O>,
  };
}

/** All methods of a service, by their names in TypeScript. */
export function toServiceDefinition(service: AnyService): ServiceDefinition {
  const methods = Object.entries<DescMethod>(service.method);
  return Object.fromEntries(methods.map(([name, method]) => [name, toMethodDefinition(method)]));
}

function encode<M extends DescMessage>(schema: M, message: MessageInitShape<M>): Buffer {
  const bytes = toBinary(schema, create(schema, message) as MessageShape<M>);
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
