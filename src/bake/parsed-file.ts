import type { Body } from './hcl/ast.ts';
import type { BakeFile } from './types.ts';

/** A file as it was read. */
export interface ParsedFile {
  readonly file: BakeFile;
  readonly body: Body;
}
