import { createServer, request as forward, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { answerGit } from '../support/git-server.ts';
import { runOk } from '../support/process.ts';

/** A server on a free port of the loopback. */
export interface TestServer {
  /** `127.0.0.1:PORT`. */
  readonly host: string;
  close(): Promise<void>;
}

/** A registry behind a door. */
export interface GuardedRegistry extends TestServer {
  /** Whether it answers at all; a registry that does not breaks every connection. */
  setReachable(reachable: boolean): void;
}

/** Passes on to a registry what comes with a sign-in; everything when there is none to ask for. */
export async function guardRegistry(
  target: string,
  signIn?: { readonly username: string; readonly password: string },
): Promise<GuardedRegistry> {
  const wanted = signIn === undefined ? undefined : `Basic ${btoa(`${signIn.username}:${signIn.password}`)}`;
  let isReachable = true;
  const server = await listen((incoming, response) => {
    if (!isReachable) {
      incoming.socket.destroy();
      return;
    }
    if (wanted !== undefined && incoming.headers.authorization !== wanted) {
      response.writeHead(401, { 'www-authenticate': 'Basic realm="contract"', 'content-type': 'application/json' });
      response.end('{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}');
      incoming.resume();
      return;
    }
    passOn(target, incoming, response);
  });
  return { ...server, setReachable: (reachable) => void (isReachable = reachable) };
}

/** The `Host` header stays as the client wrote it, so that the places that the registry tells lead through here again. */
function passOn(target: string, incoming: IncomingMessage, response: ServerResponse): void {
  const { authorization: _kept, ...headers } = incoming.headers;
  const [hostname = '', port = ''] = target.split(':');
  const options = { hostname, port, path: incoming.url, method: incoming.method, headers };
  const outgoing = forward(options, (answer) => {
    response.writeHead(answer.statusCode ?? 502, answer.headers);
    answer.pipe(response);
  });
  outgoing.on('error', () => response.destroy());
  incoming.pipe(outgoing);
}

/** Serves texts by their paths. */
export function serveTexts(texts: Readonly<Record<string, string>>): Promise<TestServer> {
  return listen(({ url = '' }, response) => {
    const text = texts[url];
    response.writeHead(text === undefined ? 404 : 200, { 'content-type': 'application/octet-stream' });
    response.end(text);
  });
}

/** Makes a repository with one file, and serves its parent directory with git's own program. */
export async function serveGit(
  root: string,
  file: { readonly name: string; readonly text: string },
): Promise<TestServer> {
  const identity = ['-c', 'user.name=a', '-c', 'user.email=a@example.com', '-c', 'init.defaultBranch=main'];
  const script =
    'git "$@" init -q repo.git && cd repo.git && printf %s "$TEXT" > "$NAME" && git add . && git "$@" commit -qm first';
  await runOk(['sh', '-c', script, 'sh', ...identity], { cwd: root, env: { NAME: file.name, TEXT: file.text } });
  return listen((incoming, response) => answerGit(root, incoming, response));
}

async function listen(answer: (incoming: IncomingMessage, response: ServerResponse) => void): Promise<TestServer> {
  const server: Server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    host: `127.0.0.1:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
