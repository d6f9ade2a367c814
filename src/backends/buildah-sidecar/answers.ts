import { connect, type Socket } from 'node:net';
import type { BuildError } from '../../core/index.ts';
import { toBuildError } from '../../core/index.ts';
import type { MessageInput, SecretQuestion, SessionRequestSchema, SshData, SshOpen } from '../../rpc/index.ts';
import { createSecretProvider } from '../request/secrets.ts';
import type { BuildRequest } from '../types.ts';

type Send = (message: MessageInput<typeof SessionRequestSchema>) => void;

/** Answers what a build asks of this host: secrets, and connections to ssh agents. */
export interface Answers {
  /** Reads a secret only now. One that is not there, or cannot be read, is answered so; why is kept for the build's error. */
  secret(question: SecretQuestion, send: Send): void;
  sshOpen(open: SshOpen, send: Send): void;
  sshData(data: SshData): void;
  /** Why a secret could not be given. */
  readonly failure: BuildError | undefined;
  /** Ends the ssh connections: they do not outlive the session that they began in. */
  reset(): void;
}

/** A request to an agent is smaller: one that takes none of them is given no more. */
const MAX_UNREAD_BYTES = 1 << 20;

export function createAnswers({ secrets = {}, ssh = {} }: Pick<BuildRequest, 'secrets' | 'ssh'>): Answers {
  const provide = createSecretProvider(secrets);
  const sockets = new Map<bigint, Socket>();
  let failure: BuildError | undefined;
  return {
    secret: ({ question, id }, send) => {
      const answer = (value: Uint8Array | undefined): void =>
        send({
          message: {
            case: 'secret',
            value: { question, found: value !== undefined, value: value ?? new Uint8Array() },
          },
        });
      provide(id).then(answer, (error: unknown) => {
        failure ??= toBuildError(error);
        answer(undefined);
      });
    },
    sshOpen: ({ connection, id }, send) => {
      const end = (): void => {
        if (sockets.delete(connection)) {
          send({ message: { case: 'sshData', value: { connection, data: new Uint8Array(), end: true } } });
        }
      };
      const agent = Object.hasOwn(ssh, id) ? ssh[id] : undefined;
      // An id that the request does not have is asked for by nobody who is honest.
      const socket = connect(agent ?? '/nonexistent');
      sockets.set(connection, socket);
      socket.on('data', (data) => send({ message: { case: 'sshData', value: { connection, data, end: false } } }));
      socket.on('error', () => socket.destroy());
      socket.on('end', end);
      socket.on('close', end);
    },
    sshData: ({ connection, data, end }) => {
      const socket = sockets.get(connection);
      if (socket === undefined) return;
      if (data.length > 0) socket.write(data);
      if (end) socket.end();
      if (socket.writableLength > MAX_UNREAD_BYTES) socket.destroy();
    },
    get failure() {
      return failure;
    },
    reset: () => {
      for (const socket of sockets.values()) socket.destroy();
      sockets.clear();
    },
  };
}
