import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { formatError } from '../../src/cli/report/format-error.ts';
import { PLAIN_STYLE } from '../../src/cli/terminal/style.ts';
import { type BuildRequest, build } from '../../src/index.ts';
import { openStore } from '../../src/store/index.ts';
import { BUSYBOX_IMAGE, importBusybox, missingForRun } from './busybox-image.ts';

const home = mkdtempSync(join(tmpdir(), 'zlayer-trouble-'));
const dataDir = join(home, 'store');
const page = readFileSync(new URL('../../docs/troubleshooting.md', import.meta.url), 'utf8');
const missing = missingForRun();

/** A section of the page: what lies in the directory, and what each command prints. */
interface Section {
  readonly title: string;
  readonly files: Readonly<Record<string, string>>;
  readonly commands: ReadonlyArray<{ readonly command: string; readonly printed: string }>;
}

function fencesOf(text: string, language: string): readonly string[] {
  return [...text.matchAll(new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``, 'g'))].map(([, body]) => body!);
}

const sections: readonly Section[] = page
  .split(/^## /m)
  .slice(1)
  .map((text) => {
    const [dockerfile = ''] = fencesOf(text, 'dockerfile');
    const [ignore] = fencesOf(text, 'dockerignore');
    return {
      title: text.split('\n', 1)[0]!,
      files: {
        Dockerfile: dockerfile,
        'package.json': '{}\n',
        'src/main.js': 'console.log(1);\n',
        ...(ignore === undefined ? {} : { '.dockerignore': ignore }),
      },
      commands: fencesOf(text, 'console').map((block) => {
        const [first = '', ...rest] = block.split('\n');
        return { command: first.replace(/^\$ /, ''), printed: rest.join('\n') };
      }),
    };
  });

afterAll(() => rmSync(home, { recursive: true, force: true }));

async function nameBusybox(name: string): Promise<void> {
  await importBusybox(dataDir);
  const store = await openStore({ root: dataDir });
  await store.images.set([name], (await store.images.get(BUSYBOX_IMAGE))!.descriptor);
}

function writeContext({ files }: Section, directory: string): void {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(directory, name, '..'), { recursive: true });
    writeFileSync(join(directory, name), text);
  }
}

/** The request of a command of the page; an option that is not known here fails the test. */
function requestOf(command: string, path: string): BuildRequest {
  const match = /^zlayer build(?: --target (\S+))? \.$/.exec(command);
  if (match === null) throw new Error(`The page has a command that this test cannot run: ${command}`);
  const [, target] = match;
  return { context: { kind: 'directory', path }, dataDir, ...(target === undefined ? {} : { target }) };
}

describe('docs/troubleshooting.md', () => {
  it('has the ten kinds', () => {
    expect(sections).toHaveLength(10);
    for (const { commands } of sections) expect(commands.length).toBeGreaterThan(0);
  });

  describe.skipIf(missing !== undefined)('prints what builds print', () => {
    beforeAll(() => nameBusybox('docker.io/library/busybox:1.36'));

    it.each(sections.map((section) => [section.title, section] as const))('%s', async (title, section) => {
      const directory = join(home, title.replaceAll(' ', '-'));
      writeContext(section, directory);
      for (const { command, printed } of section.commands) {
        const error = await build(requestOf(command, directory)).then(
          () => expect.fail('it builds'),
          (thrown: unknown) => thrown,
        );
        const text = formatError(error as never, { columns: Number.POSITIVE_INFINITY, style: PLAIN_STYLE });
        // Editors take the blank at the end of an empty line away.
        expect(text.replace(/ +$/gm, '')).toBe(printed.replace(/ +$/gm, ''));
      }
    });
  });
});
