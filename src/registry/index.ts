export { createRegistryClient } from './client.ts';
export { type PullRequest, type PullSink, pullImage } from './pull-image.ts';
export { type PushedImage, type PushRequest, pushImage } from './push-image.ts';
export { redactText } from './redact.ts';
export type { Timing } from './retry.ts';
export type { Timeouts } from './transport.ts';
export * from './types.ts';
