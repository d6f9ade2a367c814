import { connect, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BuildError } from '../../core/index.ts';
import { type ClientLink, type ClientMessage, type ClientQuestions, createClientQuestions } from './ask-client.ts';

const GONE = new BuildError('CANCELLED', 'gone');

let questions: ClientQuestions;
beforeEach(() => {
  questions = createClientQuestions();
});
afterEach(() => {
  questions.close(GONE);
});

/** A link with the messages that came over it, and a wait for the next. */
function openLink(): { readonly link: ClientLink; next(): Promise<ClientMessage> } {
  const waiting: ClientMessage[] = [];
  let wake = (): void => undefined;
  const link = questions.open(() => wake());
  return {
    link,
    next: async () => {
      for (;;) {
        waiting.push(...link.take());
        const message = waiting.shift();
        if (message !== undefined) return message;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
  };
}

const answer = (message: ClientMessage, text: string | undefined) => ({
  question: message.case === 'secret' ? (message.value.question as bigint) : 0n,
  found: text !== undefined,
  value: Buffer.from(text ?? ''),
});

describe('createClientQuestions()', () => {
  it('asks over the link that is open when there is one, and over the next what was not answered', async () => {
    const value = questions.secret('token');
    const first = openLink();
    expect(await first.next()).toMatchObject({ case: 'secret', value: { id: 'token' } });
    first.link.close();
    const second = openLink();
    const asked = await second.next();
    expect(asked).toMatchObject({ case: 'secret', value: { id: 'token' } });
    second.link.answerSecret(answer(asked, 'value'));
    expect(Buffer.from((await value) ?? []).toString()).toBe('value');
    expect(openLink().link.take()).toEqual([]);
  });

  it('tells that the client has no such secret', async () => {
    const { link, next } = openLink();
    const value = questions.secret('token');
    link.answerSecret(answer(await next(), undefined));
    expect(await value).toBeUndefined();
  });

  it('ends waiting and later questions with the error when it is closed', async () => {
    const waiting = questions.secret('token');
    questions.close(GONE);
    await expect(waiting).rejects.toBe(GONE);
    await expect(questions.secret('other')).rejects.toBe(GONE);
  });

  it('ends an ssh connection whose step reads nothing, instead of keeping all that the client sends', async () => {
    const path = await questions.sshSocket('default');
    const { link, next } = openLink();
    const socket = await open(path);
    const opened = await next();
    const connection = opened.case === 'sshOpen' ? (opened.value.connection as bigint) : 0n;
    const received = readAll(socket);
    const data = Buffer.alloc(256 << 10);
    // All in one turn: nothing of it is read in between.
    for (let round = 0; round < 8; round++) link.receiveSsh({ connection, data, end: false } as never);
    expect((await received).length).toBeLessThan(8 * data.length);
  });

  it('carries an ssh connection both ways, to its end', async () => {
    const path = await questions.sshSocket('default');
    expect(await questions.sshSocket('default')).toBe(path);
    const { link, next } = openLink();
    const socket = await open(path);
    const opened = await next();
    expect(opened).toMatchObject({ case: 'sshOpen', value: { id: 'default' } });
    const connection = opened.case === 'sshOpen' ? (opened.value.connection as bigint) : 0n;
    socket.write('to the agent');
    expect(await next()).toMatchObject({ case: 'sshData', value: { connection, data: Buffer.from('to the agent') } });
    const received = readAll(socket);
    link.receiveSsh({ connection, data: Buffer.from('from the agent'), end: false } as never);
    socket.end();
    expect(await next()).toMatchObject({ case: 'sshData', value: { connection, end: true } });
    link.receiveSsh({ connection, data: new Uint8Array(), end: true } as never);
    expect(await received).toBe('from the agent');
  });

  it('refuses ssh connections while there is no client, and breaks off those of a link that is gone', async () => {
    const path = await questions.sshSocket('default');
    expect(await readAll(await open(path))).toBe('');
    const { link, next } = openLink();
    const socket = await open(path);
    await next();
    link.close();
    expect(await readAll(socket)).toBe('');
  });
});

function open(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path, allowHalfOpen: true }, () => resolve(socket));
    socket.once('error', reject);
  });
}

async function readAll(socket: Socket): Promise<string> {
  const chunks: Buffer[] = [];
  socket.on('error', () => undefined);
  socket.on('data', (data) => chunks.push(data));
  await new Promise<void>((resolve) => {
    socket.on('end', () => socket.end());
    socket.on('close', () => resolve());
  });
  return Buffer.concat(chunks).toString();
}
