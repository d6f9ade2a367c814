import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type EventLog, type EventReader, openEventLog } from './event-log.ts';

let parent: string;
let log: EventLog;
beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'zl-events-'));
  log = openEventLog({ directory: join(parent, 'log'), segmentBytes: 100, maxSegments: 3 });
});
afterEach(() => {
  log.close();
  rmSync(parent, { recursive: true, force: true });
});

const append = (...texts: readonly string[]): void => {
  for (const text of texts) log.append(Buffer.from(text));
};
const readAll = (reader: EventReader): readonly string[] => {
  const texts: string[] = [];
  for (let found = reader.next(); found !== undefined; found = reader.next()) {
    texts.push(`${found.sequence} ${Buffer.from(found.bytes).toString()}`);
  }
  return texts;
};

describe('openEventLog()', () => {
  it('gives every reader all events from its place on, numbered from 1', () => {
    append('one', 'two', '');
    expect(readAll(log.reader(0))).toEqual(['1 one', '2 two', '3 ']);
    expect(readAll(log.reader(2))).toEqual(['3 ']);
  });

  it('lets a reader go on with what comes later, and tells it', () => {
    const reader = log.reader(0);
    let calls = 0;
    const stop = log.onChange(() => calls++);
    append('one');
    expect(readAll(reader)).toEqual(['1 one']);
    expect(reader.isAtEnd()).toBe(false);
    append('two');
    log.end();
    expect(calls).toBe(3);
    expect(reader.isAtEnd()).toBe(false);
    expect(readAll(reader)).toEqual(['2 two']);
    expect(reader.isAtEnd()).toBe(true);
    stop();
  });

  it('keeps events across files, and refuses to leave out what is gone', () => {
    const slow = log.reader(0);
    append('first'.padEnd(200));
    expect(slow.next()?.sequence).toBe(1);
    append('x'.repeat(100), 'y'.repeat(100), 'z'.repeat(100));
    expect(readAll(log.reader(1)).map((text) => text[0])).toEqual(['2', '3', '4']);
    append('later');
    expect(() => log.reader(0).next()).toThrow('number 1 are gone; those from 3 are kept');
    expect(() => slow.next()).toThrow(expect.objectContaining({ code: 'EVENTS_LOST' }));
    expect(readAll(log.reader(2))).toHaveLength(3);
  });

  it('reads an event that is larger than what is read at once', () => {
    append('a', 'b'.repeat(300_000), 'c');
    expect(readAll(log.reader(0)).map((text) => text.length)).toEqual([3, 300_002, 3]);
  });

  it('leaves no files', () => {
    append('one');
    log.close();
    expect(existsSync(join(parent, 'log'))).toBe(false);
  });
});
