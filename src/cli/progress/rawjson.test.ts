import { describe, expect, it } from 'vitest';
import { captureOutput } from '../../../test/cli/fake-context.ts';
import { eventsOf, RECORDING, SUCCESS } from '../../../test/cli/recorded-build.ts';
import { createRawJsonProgress } from './rawjson.ts';

describe('createRawJsonProgress()', () => {
  it('writes every event as a line of JSON, locations without the text of the file', () => {
    const output = captureOutput();
    const progress = createRawJsonProgress(output);
    const events = eventsOf([...RECORDING, ...SUCCESS]);
    for (const event of events) progress.onEvent(event);
    progress.close();
    const lines = output
      .text()
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines.map(({ kind }) => kind)).toEqual(events.map(({ kind }) => kind));
    expect(lines[1].vertices[3].location).toEqual({
      fileName: 'Dockerfile',
      range: { start: { line: 4, column: 1 }, end: { line: 6, column: 19 } },
    });
    expect(lines[15].text).toContain('\x1b[32m> tsc');
  });
});
