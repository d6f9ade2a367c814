import { BuildError } from '../core/index.ts';

/**
 * Splits one line of comma-separated fields. A field in double quotes may hold commas, and `""` for a quote.
 *
 * @throws BuildError `DOCKERFILE_INVALID` for a stray or unclosed quote.
 */
export function parseCsvFields(text: string): readonly string[] {
  const fields: string[] = [];
  for (let at = 0; ; ) {
    const { field, end } = text[at] === '"' ? quotedField(text, at) : plainField(text, at);
    fields.push(field);
    if (end >= text.length) return fields;
    at = end + 1;
  }
}

function plainField(text: string, start: number): { readonly field: string; readonly end: number } {
  const comma = text.indexOf(',', start);
  const end = comma < 0 ? text.length : comma;
  const field = text.slice(start, end);
  if (field.includes('"')) throw badQuote(text);
  return { field, end };
}

function quotedField(text: string, start: number): { readonly field: string; readonly end: number } {
  let field = '';
  for (let at = start + 1; ; ) {
    const quote = text.indexOf('"', at);
    if (quote < 0) throw badQuote(text);
    field += text.slice(at, quote);
    const next = text[quote + 1];
    if (next === '"') field += '"';
    else if (next === undefined || next === ',') return { field, end: quote + 1 };
    else throw badQuote(text);
    at = quote + 2;
  }
}

function badQuote(text: string): BuildError {
  return new BuildError('DOCKERFILE_INVALID', `The double quotes in ${text} are misplaced.`, {
    hint: 'A quoted field is quoted as a whole: "key=value, with a comma",other=1. Inside it, write "" for a quote.',
  });
}
