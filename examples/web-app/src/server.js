import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';

const page = readFileSync(new URL('page.html', import.meta.url));

export const server = createServer((request, response) => {
  if (request.url === '/health') response.end('ok\n');
  else response.setHeader('content-type', 'text/html').end(page);
});

server.listen(Number(process.env.PORT ?? 8080), () => console.log(`listening on ${server.address().port}`));
