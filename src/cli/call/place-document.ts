import type { SourceLocation } from '../../core/index.ts';

/** A place in a file for a JSON document, without the file's text. Lines and columns count from 1. */
export function placeDocument(location: SourceLocation | undefined): {
  readonly location?: { readonly file: string } & SourceLocation['range'];
} {
  return location === undefined ? {} : { location: placeOf(location) };
}

/** The place alone. */
export function placeOf({ fileName, range }: SourceLocation): { readonly file: string } & SourceLocation['range'] {
  return { file: fileName, ...range };
}
