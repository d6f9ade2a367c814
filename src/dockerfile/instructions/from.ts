import { parseFlags } from '../flags.ts';
import { complainAbout, complainAt, type Statement, toInstructionBase } from '../statement.ts';
import type { FromInstruction } from '../types.ts';
import { splitAtBlanks } from '../words.ts';

const STAGE_NAME = /^[a-z][a-z0-9-_.]*$/;

export function parseFrom(statement: Statement): FromInstruction {
  const words = splitAtBlanks(statement.line.text, statement.rest);
  const [image, as, name] = words;
  if (image === undefined) {
    throw complainAbout(statement, { message: 'FROM names no image.', hint: 'Write FROM <image>, or FROM scratch.' });
  }
  if (words.length !== 1 && (words.length !== 3 || as!.text.toLowerCase() !== 'as')) {
    throw complainAt(statement, words.find((word, i) => i === 1 && word.text.toLowerCase() !== 'as') ?? words.at(-1)!, {
      message: 'FROM takes an image, and optionally AS with a name for the stage.',
      hint: 'Write FROM <image> or FROM <image> AS <name>.',
    });
  }
  if (name !== undefined && !STAGE_NAME.test(name.text.toLowerCase())) {
    throw complainAt(statement, name, {
      code: 'DOCKERFILE_INVALID',
      message: `"${name.text}" cannot be the name of a stage.`,
      hint: 'A name begins with a letter and goes on with letters, digits, "-", "_" and ".".',
    });
  }
  const { platform } = parseFlags(statement, { platform: 'value' });
  return {
    ...toInstructionBase(statement, words),
    kind: 'from',
    image: image.text,
    ...(name === undefined ? {} : { as: name.text }),
    ...(platform === undefined || platform === '' ? {} : { platform }),
  };
}
