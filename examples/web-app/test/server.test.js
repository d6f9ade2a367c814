import assert from 'node:assert';
import { once } from 'node:events';
import { after, test } from 'node:test';

process.env.PORT = '0';
const { server } = await import('../dist/server.js');
if (!server.listening) await once(server, 'listening');
const address = `http://127.0.0.1:${server.address().port}`;
after(() => server.close());

test('serves the page with its version', async () => {
  const page = await (await fetch(`${address}/`)).text();
  assert.match(page, /web-app \d+\.\d+/);
});

test('says that it is healthy', async () => {
  assert.strictEqual(await (await fetch(`${address}/health`)).text(), 'ok\n');
});

test('runs as the user "node"', () => {
  assert.strictEqual(process.getuid(), 1000);
});
