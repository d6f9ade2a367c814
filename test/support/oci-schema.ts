import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import AjvDraft04Module from 'ajv-draft-04';
import addFormatsModule from 'ajv-formats';

/** Where the data sets of conformance tests lie. */
export const CONFORMANCE_FOLDER = join(
  process.env['ZLAYER_SHARED'] ?? resolve(import.meta.dirname, '../../../shared'),
  'conformance',
);

/** The documents of the image-spec that have a schema. */
export type Schema = 'manifest' | 'config' | 'index' | 'descriptor' | 'layout';

/** Tells what is wrong with a document; nothing for one that is right. */
export type Validate = (schema: Schema, document: unknown) => readonly string[];

interface SchemaFiles {
  readonly schemaFiles: Readonly<Record<Schema, string>>;
  readonly schemaUrls: Readonly<Record<string, readonly string[]>>;
}

/** The specification's own schemas, as the data set names them; undefined where it is not here. */
export function openOciSchemas(): Validate | undefined {
  const file = join(CONFORMANCE_FOLDER, 'oci-schema.json');
  return existsSync(file) ? createValidator(JSON.parse(readFileSync(file, 'utf8')) as SchemaFiles) : undefined;
}

/** The specification's own schemas. Their nested ids break relative references, so files are found by all their URLs. */
function createValidator(data: SchemaFiles): Validate {
  const AjvDraft04 = AjvDraft04Module as unknown as typeof AjvDraft04Module.default;
  const addFormats = addFormatsModule as unknown as typeof addFormatsModule.default;
  const ajv = new AjvDraft04({ strict: false, allErrors: true });
  addFormats(ajv);
  const read = (file: string): object =>
    JSON.parse(readFileSync(join(CONFORMANCE_FOLDER, 'oci-schemas', file), 'utf8'), (key, value: unknown) =>
      (key === 'id' || key === '$schema') && typeof value === 'string' ? undefined : value,
    );
  for (const file of Object.keys(data.schemaUrls)) ajv.addSchema(read(file), file);
  return (schema, document) => {
    const validate = ajv.getSchema(data.schemaFiles[schema])!;
    return validate(document) === true
      ? []
      : (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`);
  };
}
