import type { Feature } from '../../../src/backends/index.ts';
import type { FeatureCase } from './feature-case.ts';
import { FILE_CASES } from './files.ts';
import { OPTION_CASES } from './options.ts';
import { RESULT_CASES } from './results.ts';
import { STEP_CASES } from './steps.ts';

/** A case for every feature of the contract: one that is missing does not type-check. */
export const FEATURE_CASES: Readonly<Record<Feature, FeatureCase>> = {
  ...STEP_CASES,
  ...FILE_CASES,
  ...OPTION_CASES,
  ...RESULT_CASES,
};
