import type { SourceLocation } from '../../core/index.ts';

/** A place in a file for a JSON document, without the file's text. Lines and columns count from 1. */
export function placeDocument(location: SourceLocation | undefined): {
  readonly location?: { readonly file: string } & SourceLocation['range'];
} {
  if (location === undefined) return {};
  return { location: { file: location.fileName, ...location.range } };
}
