import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';

const version = process.argv[2];
mkdirSync('dist');
const template = readFileSync('src/app.template', 'utf8');
writeFileSync('dist/app.js', template.replaceAll('@VERSION@', version));
