import { BUILDAH_PROGRAMS } from '../support/buildah.ts';
import { describeContract } from './describe-contract.ts';

describeContract('buildah-cli', BUILDAH_PROGRAMS);
