import { BuildError, nearestWord } from '../core/index.ts';
import { parseCsvFields } from './csv-fields.ts';
import { parseGoBoolean } from './parse-boolean.ts';

/** One `RUN --device`: a CDI name such as `vendor.com/gpu=all`. */
export interface Device {
  readonly name: string;
  readonly required: boolean;
}

/**
 * Reads the value of `RUN --device`: `[name=]<name>[,required[=<boolean>]]`.
 *
 * @throws BuildError `DOCKERFILE_INVALID`
 */
export function parseDevice(text: string): Device {
  let name = '';
  let required = false;
  for (const field of parseCsvFields(text)) {
    const equals = field.indexOf('=');
    const key = (equals < 0 ? field : field.slice(0, equals)).toLowerCase();
    const value = equals < 0 ? undefined : field.slice(equals + 1);
    if (key === 'required') required = value === undefined || parseGoBoolean(key, value);
    else if (key === 'name' && value !== undefined) {
      if (name !== '') throw invalid(`The device already has the name ${name}.`, 'Keep one name.');
      name = value;
    } else if (name === '') name = field;
    else throw unknownField(field, key);
  }
  return { name, required };
}

function unknownField(field: string, key: string): BuildError {
  const nearest = nearestWord(key, ['name', 'required']);
  return invalid(
    `A device has no option "${field}".`,
    nearest === undefined ? 'The options are name and required.' : `The nearest option is ${nearest}.`,
  );
}

function invalid(message: string, hint: string): BuildError {
  return new BuildError('DOCKERFILE_INVALID', message, { hint });
}
