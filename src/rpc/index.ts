export { type ChannelInput, connectChannel, openChannel } from './channel.ts';
export { type CallContext, type ClientCall, createServiceClient, type ServiceClient } from './client.ts';
export { fromErrorMessage, toErrorMessage } from './error-message.ts';
export { type FileLockOptions, isRunning, startOf, withFileLock } from './file-lock.ts';
export * from './generated/build_service_pb.ts';
export { Health, HealthCheckResponse_ServingStatus } from './generated/health_pb.ts';
export { CHUNK_BYTES, MAX_MESSAGE_BYTES } from './limits.ts';
export { parseAddress, probeConnection } from './probe-connection.ts';
export {
  type Peer,
  type ServedCall,
  type ServedMethod,
  type ServeOptions,
  type ServiceImplementation,
  toHandlers,
} from './serve.ts';
export { openServer, type RpcServer, type ServedService, type ServerInput, serveService } from './server.ts';
export { type AnyService, type MessageInput, toServiceDefinition } from './service-definition.ts';
export { fromStatus, statusOf, toStatus } from './status.ts';
export { ensureTlsDirectory, loadClientTls, loadServerTls, readTlsFiles, type TlsOptions } from './tls/directory.ts';
export {
  type ClientIdentity,
  createClientIdentity,
  createRevocationCheck,
  listIdentities,
  revokeIdentity,
} from './tls/identities.ts';
export { type CertificateFacts, readCertificate } from './tls/inspect-certificate.ts';
export { SERVER_NAME, type TlsMaterial } from './tls/material.ts';
