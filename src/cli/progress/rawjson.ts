import type { SourceLocation } from '../../core/index.ts';
import type { TextOutput } from '../command.ts';
import type { Progress } from './progress.ts';

/** One event a line, for programs. A location has its file name and range, without the file's text. */
export function createRawJsonProgress(output: TextOutput): Progress {
  return {
    onEvent: (event) => output.write(`${JSON.stringify(event, withoutText)}\n`),
    showsWholeOutput: true,
    close: () => undefined,
  };
}

function withoutText(key: string, value: unknown): unknown {
  if (key !== 'location' || value === undefined || value === null) return value;
  const { fileName, range } = value as SourceLocation;
  return { fileName, range };
}
