import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { missingForRun } from '../integration/busybox-image.ts';
import { collect } from './collect-events.ts';
import { type BuildClient, type DaemonFixture, openDaemon } from './daemon-fixture.ts';
import { uploadDirectory } from './upload.ts';
import { writeFiles } from './write-files.ts';

const BASE = 'localhost/busybox:latest';
const lacking = missingForRun();
if (lacking !== undefined) process.stderr.write(`SKIPPED test/buildd/build: ${lacking}\n`);

let fixture: DaemonFixture;
let client: BuildClient;
beforeAll(async () => {
  fixture = await openDaemon();
  client = await fixture.connect();
});
afterAll(async () => {
  await fixture?.close();
});

describe.skipIf(lacking !== undefined)('BuildService.Build', () => {
  it('builds an uploaded context and tells every step', async () => {
    const context = writeFiles(join(fixture.directory, 'steps'), {
      Dockerfile: `FROM ${BASE} AS base\nRUN echo one; echo two >&2\nFROM base\nCOPY file /file\nRUN cat /file\nLABEL a=b\n`,
      file: 'from the client\n',
    });
    const { tree } = await uploadDirectory(client, context);
    const request = { layers: true, tags: ['localhost/steps'], extension: { contextTree: tree } };
    const built = await collect(client.build(request));
    expect(built.error).toBeUndefined();
    expect(built.cases[0]).toBe('accepted');
    expect(built.requestId).toMatch(/^[0-9a-f-]{36}$/);
    expect(built.cases.filter((name) => name !== 'warning')).toEqual([
      'accepted',
      'stageStarted',
      'instructionStarted',
      'log',
      'log',
      'instructionFinished',
      'stageFinished',
      'stageStarted',
      'instructionStarted',
      'instructionFinished',
      'instructionStarted',
      'log',
      'instructionFinished',
      'stageFinished',
      'finished',
    ]);
    expect(built.lines).toEqual(['one', 'two', 'from the client']);
    expect(built.finished?.imageId).toMatch(/^sha256:[0-9a-f]{64}$/);
    const again = await collect(client.build(request));
    const flags = again.events.flatMap(({ event }) =>
      event.case === 'instructionFinished' ? [event.value.cached] : [],
    );
    expect(flags).toEqual([true, true, true]);
    expect(again.finished?.imageId).toBe(built.finished?.imageId);
  });
});
