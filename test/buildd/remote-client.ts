// A client on another host, as a program: `ADDRESS TLS_DIR CONTEXT_DIR MODE`. It tells what it does in lines of JSON.
// It goes on after a lost connection as the protocol says: it attaches after the last event that it has.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createSecureContext } from 'node:tls';
import { Client, credentials } from '@grpc/grpc-js';
import { BuildService, createServiceClient, SERVER_NAME } from '../../src/rpc/index.ts';
import { createOutbox } from './outbox.ts';
import { uploadDirectory } from './upload.ts';

const [address = '', tlsDirectory = '', context = '', mode = 'build'] = process.argv.slice(2);
const read = (name: string): Buffer => readFileSync(join(tlsDirectory, name));
const tell = (line: object): void =>
  void process.stdout.write(
    `${JSON.stringify(line, (_, value) => (typeof value === 'bigint' ? Number(value) : (value as unknown)))}\n`,
  );

function connect() {
  const secure = createSecureContext({
    ca: read('ca.pem'),
    cert: read('cert.pem'),
    key: read('key.pem'),
    minVersion: 'TLSv1.3',
  });
  return new Client(address, credentials.createFromSecureContext(secure), {
    'grpc.ssl_target_name_override': SERVER_NAME,
    'grpc.default_authority': SERVER_NAME,
    // A lost link is to be noticed within the patience of a test.
    'grpc.keepalive_time_ms': 2000,
    'grpc.keepalive_timeout_ms': 2000,
    'grpc.initial_reconnect_backoff_ms': 100,
    'grpc.max_reconnect_backoff_ms': 500,
    'grpc.enable_retries': 0,
  });
}

async function main(): Promise<void> {
  const client = createServiceClient(connect(), BuildService);
  const sent = await uploadDirectory(client, context);
  tell({ sent });
  const requestId = `remote-${process.pid}`;
  let last = 0n;
  let isOver = false;
  for (let attempt = 0; attempt < 100 && !isOver; attempt++) {
    const outbox = createOutbox<Parameters<typeof client.session>[0] extends AsyncIterable<infer M> ? M : never>();
    const start = { requestId, layers: true, noCache: mode === 'slow', extension: { contextTree: sent.tree } };
    outbox.send({
      message: attempt === 0 ? { case: 'start', value: start } : { case: 'attach', value: { requestId, after: last } },
    });
    try {
      for await (const { sequence, message } of client.session(outbox.messages)) {
        if (message.case !== 'event') continue;
        last = sequence;
        const { event } = message.value;
        if (event.case === 'progress') {
          const { kind, time, text } = JSON.parse(Buffer.from(event.value.eventJson).toString()) as Record<
            string,
            unknown
          >;
          if (kind === 'log') tell({ printed: text, time });
        } else tell({ sequence, event: event.case, value: event.case === 'error' ? event.value.message : undefined });
        isOver = event.case === 'finished' || event.case === 'error';
        if (mode === 'cancel' && event.case === 'log')
          void client.cancel({ requestId }).then((answer) => tell({ answer }));
      }
    } catch (error) {
      tell({ lost: (error as Error).message, last });
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
  process.exit(0);
}

void main().catch((error: unknown) => {
  tell({ failed: (error as Error).message });
  process.exit(1);
});
