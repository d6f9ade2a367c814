import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { formatPages } from '../../src/cli/docs/pages.ts';

const pages = await formatPages();

describe.each(Object.entries(pages))('docs/%s', (name, text) => {
  it('is what `node tools/docs.mjs` writes', () => {
    expect(readFileSync(new URL(`../../docs/${name}`, import.meta.url), 'utf8')).toBe(text);
  });

  it('has tables whose rows have as many cells as their heads', () => {
    let head = 0;
    for (const line of text.split('\n')) {
      const cells = line.startsWith('|') ? line.split(/(?<!\\)\|/).length : 0;
      if (head > 0 && cells > 0) expect(cells, line).toBe(head);
      head = cells;
    }
  });
});
