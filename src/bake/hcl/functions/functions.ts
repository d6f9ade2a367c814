import { COLLECTION_FUNCTIONS } from './collections.ts';
import { createEncodingFunctions } from './encodings.ts';
import { NUMBER_FUNCTIONS } from './numbers.ts';
import type { FunctionTable } from './signature.ts';
import { STRING_FUNCTIONS } from './strings.ts';

/** The functions that every file may call. `try` and `can` belong to the evaluator. */
export function createFunctions(outside: {
  readonly nowMs: () => number;
  readonly homeDir: string | undefined;
}): FunctionTable {
  return {
    ...STRING_FUNCTIONS,
    ...COLLECTION_FUNCTIONS,
    ...NUMBER_FUNCTIONS,
    ...createEncodingFunctions(outside.nowMs),
    homedir: () => outside.homeDir ?? '',
  };
}
