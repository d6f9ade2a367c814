// Puts the version into the page and copies what the server needs.
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

const { values } = parseArgs({ options: { version: { type: 'string' }, out: { type: 'string' } } });
const out = values.out ?? 'dist';
mkdirSync(out, { recursive: true });
const page = readFileSync('src/page.html', 'utf8').replaceAll('{{version}}', values.version ?? 'dev');
writeFileSync(join(out, 'page.html'), page);
for (const file of ['server.js', 'health.js']) cpSync(join('src', file), join(out, file));
console.log(`built version ${values.version} into ${out}`);
