import { trimSpace } from '../characters.ts';
import { parseFlags } from '../flags.ts';
import { complainAbout, complainAt, type Statement, toInstructionBase } from '../statement.ts';
import type { ExposeInstruction, VolumeInstruction } from '../types.ts';
import { splitAtBlanks } from '../words.ts';
import { parseWordList } from './command-form.ts';

export function parseExpose(statement: Statement): ExposeInstruction {
  const words = splitAtBlanks(statement.line.text, statement.rest);
  if (words.length === 0) {
    throw complainAbout(statement, { message: 'EXPOSE names no port.', hint: 'Write EXPOSE 80, or EXPOSE 53/udp.' });
  }
  parseFlags(statement, {});
  return { ...toInstructionBase(statement, words), kind: 'expose', ports: words.map(({ text }) => text) };
}

export function parseVolume(statement: Statement): VolumeInstruction {
  const words = parseWordList(statement, statement.rest);
  const hint = 'Write VOLUME /data, or VOLUME ["/data"].';
  if (words.length === 0) throw complainAbout(statement, { message: 'VOLUME names no path.', hint });
  parseFlags(statement, {});
  const paths = words.map((word) => {
    const path = trimSpace(word.text);
    if (path !== '') return path;
    throw complainAt(statement, word, { code: 'DOCKERFILE_INVALID', message: 'VOLUME has an empty path.', hint });
  });
  return { ...toInstructionBase(statement, words), kind: 'volume', paths };
}
