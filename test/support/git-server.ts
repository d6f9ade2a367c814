import { spawn } from 'node:child_process';
import type { IncomingMessage, ServerResponse } from 'node:http';

/** Answers a request for one of the repositories below a directory, with git's own CGI program. */
export function answerGit(root: string, request: IncomingMessage, response: ServerResponse): void {
  const [path = '', query = ''] = (request.url ?? '').split('?');
  const env = {
    ...process.env,
    GIT_PROJECT_ROOT: root,
    GIT_HTTP_EXPORT_ALL: '1',
    GIT_CONFIG_COUNT: '1',
    GIT_CONFIG_KEY_0: 'safe.directory',
    GIT_CONFIG_VALUE_0: '*',
    PATH_INFO: path,
    QUERY_STRING: query,
    REQUEST_METHOD: request.method,
    CONTENT_TYPE: request.headers['content-type'] ?? '',
    HTTP_CONTENT_ENCODING: request.headers['content-encoding'] ?? '',
    HTTP_GIT_PROTOCOL: request.headers['git-protocol']?.toString() ?? '',
  };
  const cgi = spawn('git', ['http-backend'], { env });
  request.pipe(cgi.stdin);
  const chunks: Buffer[] = [];
  cgi.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  cgi.on('close', () => writeAnswer(Buffer.concat(chunks), response));
}

function writeAnswer(output: Buffer, response: ServerResponse): void {
  const end = output.indexOf('\r\n\r\n');
  const fields = output.subarray(0, end).toString('latin1').split('\r\n');
  const headers = fields.map((line) => {
    const colon = line.indexOf(':');
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()] as const;
  });
  const status = headers.find(([name]) => name === 'status')?.[1] ?? '200';
  response.writeHead(Number(status.split(' ')[0]), Object.fromEntries(headers.filter(([name]) => name !== 'status')));
  response.end(output.subarray(end + 4));
}
