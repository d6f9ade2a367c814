export type { CredentialOptions } from './auth-file.ts';
export { createRegistryClient } from './client.ts';
export { createDockerCredentials } from './docker-credentials.ts';
export { createGivenCredentials } from './given-credentials.ts';
export { type PullRequest, type PullSink, platformError, pullImage } from './pull-image.ts';
export { type PushedImage, type PushRequest, pushImage } from './push-image.ts';
export { redactText } from './redact.ts';
export type { ShortNames } from './registries-conf.ts';
export { loadRegistryHosts, loadShortNames, type RegistryHostsOptions } from './registry-hosts.ts';
export { readBytes } from './response-error.ts';
export { isTransientStatus, parseRetryAfter, pause, retry, SYSTEM_TIMING, type Timing } from './retry.ts';
export { runAll, runEach } from './run-all.ts';
export { eraseCredentials, type SavedCredentials, type SignIn, saveCredentials } from './save-credentials.ts';
export { expandShortName } from './short-names.ts';
export {
  createTransport,
  DEFAULT_TIMEOUTS,
  type HttpRequest,
  type HttpResponse,
  type Timeouts,
  type Transport,
} from './transport.ts';
export * from './types.ts';
