import { writeSync } from 'node:fs';

/**
 * Writes a line to standard error, whoever reads it: a daemon outlives the process that started it, and a log that nobody
 * takes must neither end it nor hold it up.
 */
export function writeLogLine(line: string): void {
  try {
    writeSync(2, line);
  } catch {
    // The reader is gone, or its pipe is full: the line is lost.
  }
}
