import { describeContract } from './describe-contract.ts';

// With our own daemon, started by the backend, which builds with native.
describeContract('buildah-sidecar');
