import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { BuildError } from '../../core/index.ts';
import type { MessageInput, SessionEventSchema, SshData } from '../../rpc/index.ts';
import type { ClientAnswers } from '../request/read-secrets.ts';

/** A question, or data of an ssh connection, on its way to a client. */
export type ClientMessage = Exclude<
  NonNullable<MessageInput<typeof SessionEventSchema>['message']>,
  { case: 'event' } | { case?: undefined }
>;

/** What one build asks of its client, over whatever connection the client has at the moment. */
export interface ClientQuestions extends ClientAnswers {
  /**
   * Takes a connection into use, instead of the one before. Questions that have not been answered are asked again;
   * ssh connections do not outlive the link that they began on.
   */
  open(onMessage: () => void): ClientLink;
  /** Ends everything; whoever waits for an answer gets the error. */
  close(error: BuildError): void;
}

/** One connection of a client. */
export interface ClientLink {
  /** What is to be sent; each message is given once. */
  take(): readonly ClientMessage[];
  answerSecret(answer: { readonly question: bigint; readonly found: boolean; readonly value: Uint8Array }): void;
  receiveSsh(data: SshData): void;
  close(): void;
}

interface Question {
  readonly id: string;
  readonly resolve: (value: Uint8Array | undefined) => void;
  readonly reject: (error: BuildError) => void;
}

interface Link {
  readonly messages: ClientMessage[];
  readonly sockets: Map<bigint, Socket>;
  readonly onMessage: () => void;
}

/** Bytes of a step that an ssh connection takes before the client has taken those before. */
const MAX_WAITING = 64;

/** An answer of an agent is smaller (OpenSSH takes 256 KiB): a step that reads none of them gets no more. */
const MAX_UNREAD_BYTES = 1 << 20;

export function createClientQuestions(): ClientQuestions {
  const questions = new Map<bigint, Question>();
  const agents = new Map<string, Promise<Agent>>();
  let serial = 0n;
  let link: Link | undefined;
  let closed: BuildError | undefined;

  const send = (to: Link, message: ClientMessage): void => {
    to.messages.push(message);
    to.onMessage();
  };
  const ask = (question: bigint, { id }: Question): void => {
    if (link !== undefined) send(link, { case: 'secret', value: { question, id } });
  };
  const drop = (old: Link): void => {
    for (const socket of old.sockets.values()) socket.destroy();
    old.sockets.clear();
    if (link === old) link = undefined;
  };
  const serve = (id: string, socket: Socket): void => {
    socket.on('error', () => socket.destroy());
    const over = link;
    if (over === undefined) {
      socket.destroy();
      return;
    }
    const connection = ++serial;
    over.sockets.set(connection, socket);
    send(over, { case: 'sshOpen', value: { connection, id } });
    socket.on('data', (data) => {
      send(over, { case: 'sshData', value: { connection, data, end: false } });
      if (over.messages.length > MAX_WAITING) socket.pause();
    });
    socket.on('end', () => send(over, { case: 'sshData', value: { connection, data: new Uint8Array(), end: true } }));
    socket.on('close', () => over.sockets.delete(connection));
  };
  return {
    secret: (id) =>
      new Promise((resolve, reject) => {
        if (closed !== undefined) {
          reject(closed);
          return;
        }
        const number = ++serial;
        const question: Question = { id, resolve, reject };
        questions.set(number, question);
        ask(number, question);
      }),
    sshSocket: async (id) => {
      const agent = agents.get(id) ?? openAgent((socket) => serve(id, socket));
      agents.set(id, agent);
      return (await agent).path;
    },
    open: (onMessage) => {
      if (link !== undefined) drop(link);
      const own: Link = { messages: [], sockets: new Map(), onMessage };
      link = own;
      for (const [number, question] of questions) ask(number, question);
      return {
        take: () => {
          const messages = own.messages.splice(0);
          for (const socket of own.sockets.values()) socket.resume();
          return messages;
        },
        answerSecret: ({ question: number, found, value }) => {
          const question = questions.get(number);
          questions.delete(number);
          question?.resolve(found ? value : undefined);
        },
        receiveSsh: ({ connection, data, end }) => {
          const socket = own.sockets.get(connection);
          if (socket === undefined) return;
          if (data.length > 0) socket.write(data);
          if (end) socket.end();
          if (socket.writableLength > MAX_UNREAD_BYTES) socket.destroy();
        },
        close: () => drop(own),
      };
    },
    close: (error) => {
      closed = error;
      for (const { reject } of questions.values()) reject(error);
      questions.clear();
      if (link !== undefined) drop(link);
      for (const agent of agents.values()) void agent.then((opened) => opened.close()).catch(() => undefined);
      agents.clear();
    },
  };
}

interface Agent {
  readonly path: string;
  close(): void;
}

/** A socket that only this user can open; a socket's path is short. */
async function openAgent(serve: (socket: Socket) => void): Promise<Agent> {
  const directory = mkdtempSync(`${tmpdir().length < 60 ? tmpdir() : '/tmp'}/zlayer-ssh-`);
  const path = `${directory}/agent`;
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    serve(socket);
  });
  await listen(server, path);
  return {
    path,
    close: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error) =>
      reject(new BuildError('HOST_LACKS', `No socket can be made for ssh: ${error.message}`, { cause: error })),
    );
    server.listen(path, resolve);
  });
}
