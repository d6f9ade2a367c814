import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BuildEvent, MessageInput, SessionEvent, SessionRequestSchema } from '../../src/rpc/index.ts';
import { missingForRun } from '../integration/busybox-image.ts';
import { collect, eventsOf } from './collect-events.ts';
import { type BuildClient, type DaemonFixture, openDaemon } from './daemon-fixture.ts';
import { createOutbox } from './outbox.ts';

const BASE = 'localhost/busybox:latest';
const lacking = missingForRun();
if (lacking !== undefined) process.stderr.write(`SKIPPED test/buildd/session: ${lacking}\n`);

type RequestInput = MessageInput<typeof SessionRequestSchema>;

let fixture: DaemonFixture;
let client: BuildClient;
beforeAll(async () => {
  fixture = await openDaemon({ detachMs: 60_000 });
  client = await fixture.connect();
});
afterAll(async () => {
  await fixture?.close();
});

function startOf(dockerfile: string, more: object = {}, id = ''): RequestInput {
  const extension = { dockerfile: Buffer.from(dockerfile), ...more };
  return { message: { case: 'start', value: { requestId: id, layers: true, extension } } };
}

/** A build that waits for a secret of its client; the step is a new one for every line. */
const waitsForSecret = (line: string): string =>
  `FROM ${BASE}\nRUN echo ${line}\nRUN --mount=type=secret,id=go,required=true cat /run/secrets/go; : ${line}\nRUN echo after; : ${line}\n`;

describe.skipIf(lacking !== undefined)('BuildService.Session', () => {
  it('asks for a secret when a step needs it, and not for one that none needs', async () => {
    const outbox = createOutbox<RequestInput>();
    outbox.send(startOf(waitsForSecret('asks'), { secretIds: ['go', 'unused'] }));
    const asked: string[] = [];
    const before: string[] = [];
    const events: BuildEvent[] = [];
    for await (const { sequence, message } of client.session(outbox.messages)) {
      if (message.case === 'secret') {
        asked.push(message.value.id);
        before.push(...linesIn(events));
        expect(sequence).toBe(0n);
        outbox.send({
          message: {
            case: 'secret',
            value: { question: message.value.question, found: true, value: Buffer.from('the answer\n') },
          },
        });
      } else if (message.case === 'event') {
        events.push(message.value);
        expect(sequence).toBe(BigInt(events.length));
      }
    }
    outbox.end();
    expect(asked).toEqual(['go']);
    expect(before).toEqual(['asks']);
    expect(linesIn(events)).toEqual(['asks', 'the answer', 'after']);
    expect(events.at(-1)?.event.case).toBe('finished');
  });

  it('fails the step whose secret the client does not have', async () => {
    const outbox = createOutbox<RequestInput>();
    outbox.send(startOf(waitsForSecret('lacks'), { secretIds: ['go'] }));
    const stream = answering(client.session(outbox.messages), ({ message }) => {
      if (message.case === 'secret')
        outbox.send({ message: { case: 'secret', value: { question: message.value.question, found: false } } });
    });
    const built = await collect(eventsOf(stream));
    outbox.end();
    expect(built.error?.code).toBe('SECRET_MISSING');
  });

  it('has a socket for an ssh agent of the client in the steps that want it', async () => {
    const outbox = createOutbox<RequestInput>();
    const step = 'RUN --mount=type=ssh test -S $SSH_AUTH_SOCK && echo a socket';
    outbox.send(startOf(`FROM ${BASE}\n${step}\n`, { sshIds: ['default'] }));
    const built = await collect(eventsOf(client.session(outbox.messages)));
    outbox.end();
    expect(built.error?.message).toBeUndefined();
    expect(built.lines).toEqual(['a socket']);
  });

  it('goes on without its client, asks again after it has come back, and gives it every event once', async () => {
    const first = createOutbox<RequestInput>();
    first.send(startOf(waitsForSecret('before the cut'), { secretIds: ['go'] }, 'cut'));
    let got = 0n;
    const early: BuildEvent[] = [];
    for await (const { sequence, message } of client.session(first.messages)) {
      if (message.case === 'event') {
        early.push(message.value);
        got = sequence;
      }
      // Leaving the loop cancels the call, as a lost connection does.
      if (message.case === 'secret') break;
    }
    const again = await fixture.connect();
    const second = createOutbox<RequestInput>();
    second.send({ message: { case: 'attach', value: { requestId: 'cut', after: got } } });
    const late: BuildEvent[] = [];
    for await (const { sequence, message } of again.session(second.messages)) {
      if (message.case === 'secret') {
        second.send({
          message: {
            case: 'secret',
            value: { question: message.value.question, found: true, value: Buffer.from('late answer\n') },
          },
        });
      } else if (message.case === 'event') {
        got += 1n;
        expect(sequence).toBe(got);
        late.push(message.value);
      }
    }
    second.end();
    expect(linesIn(early)).toEqual(['before the cut']);
    expect(linesIn(late)).toEqual(['late answer', 'after']);
    expect(late.at(-1)?.event.case).toBe('finished');
    const third = createOutbox<RequestInput>();
    third.send({ message: { case: 'attach', value: { requestId: 'cut', after: 0n } } });
    const whole = await collect(eventsOf(client.session(third.messages)));
    third.end();
    expect(whole.lines).toEqual(['before the cut', 'late answer', 'after']);
  });

  it('keeps builds from other clients: they can neither attach nor cancel', async () => {
    const other = await fixture.connect('other');
    const outbox = createOutbox<RequestInput>();
    outbox.send(startOf(waitsForSecret('private'), { secretIds: ['go'] }, 'private'));
    const outcome: unknown[] = [];
    const stream = answering(client.session(outbox.messages), async ({ message }) => {
      if (message.case !== 'secret') return;
      const theirs = createOutbox<RequestInput>();
      theirs.send({ message: { case: 'attach', value: { requestId: 'private', after: 0n } } });
      outcome.push(await collect(eventsOf(other.session(theirs.messages))).catch((error: unknown) => error));
      outcome.push(await other.cancel({ requestId: 'private' }));
      outcome.push(await client.cancel({ requestId: 'private' }));
    });
    const built = await collect(eventsOf(stream));
    outbox.end();
    expect(outcome[0]).toMatchObject({ code: 'BUILD_NOT_FOUND' });
    expect(outcome[1]).toMatchObject({ cancelled: false });
    expect(outcome[2]).toMatchObject({ cancelled: true });
    expect(built.error).toMatchObject({
      code: 'CANCELLED',
      kind: 'cancelled',
      message: 'The build was cancelled by its client.',
    });
  });

  it('refuses a session that begins with something else', async () => {
    const outbox = createOutbox<RequestInput>();
    outbox.send({ message: { case: 'secret', value: { question: 1n } } });
    await expect(collect(eventsOf(client.session(outbox.messages)))).rejects.toMatchObject({ code: 'USAGE' });
  });
});

describe.skipIf(lacking !== undefined)('a build without its client', () => {
  it('is cancelled after the time that the operator sets', async () => {
    const short = await openDaemon({ detachMs: 300 });
    try {
      const mine = await short.connect();
      const outbox = createOutbox<RequestInput>();
      outbox.send(startOf(waitsForSecret('abandoned'), { secretIds: ['go'] }, 'abandoned'));
      for await (const { message } of mine.session(outbox.messages)) if (message.case === 'secret') break;
      const ended = await untilLogged(short, 'build failed');
      expect(ended).toMatchObject({ build: 'abandoned', code: 'CANCELLED' });
    } finally {
      await short.close();
    }
  });
});

function linesIn(events: readonly BuildEvent[]): readonly string[] {
  return events.flatMap(({ event }) => (event.case === 'log' ? [event.value.line] : []));
}

async function* answering(
  stream: AsyncIterable<SessionEvent>,
  onEvent: (event: SessionEvent) => void | Promise<void>,
): AsyncGenerator<SessionEvent, void, undefined> {
  for await (const event of stream) {
    await onEvent(event);
    yield event;
  }
}

async function untilLogged(daemon: DaemonFixture, message: string): Promise<unknown> {
  for (let round = 0; round < 400; round++) {
    const found = daemon.lines
      .map((line) => JSON.parse(line) as { message: string })
      .find((line) => line.message === message);
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error(`"${message}" was never logged.`);
}
