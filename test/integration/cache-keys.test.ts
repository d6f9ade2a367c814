import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type BuildRequest, build, plan } from '../../src/index.ts';
import { importBusybox, missingForRun } from './busybox-image.ts';

const home = mkdtempSync(join(tmpdir(), 'zlayer-keys-'));
const dataDir = join(home, 'store');
let contexts = 0;

/** A build of a busybox image: instructions, the files beside them, and options. */
interface Build extends Partial<BuildRequest> {
  readonly text: string;
  readonly files?: Readonly<Record<string, string>>;
}

type Change = readonly [what: string, before: Build, after: Build];

const HITS: readonly Change[] = [
  [
    'comments, blank lines, blanks between words and the case of instructions',
    { text: 'WORKDIR /w\nRUN echo layout' },
    { text: '# a comment\n\nworkdir   /w\n\nrun echo layout' },
  ],
  [
    'the name of the Dockerfile',
    { text: 'RUN echo name' },
    {
      text: 'RUN echo name',
      dockerfile: { kind: 'text', text: 'FROM localhost/busybox\nRUN echo name', fileName: 'X' },
    },
  ],
  [
    'metadata above it',
    { text: 'LABEL a=1\nEXPOSE 80\nCMD ["x"]\nRUN echo metadata' },
    { text: 'LABEL a=2\nEXPOSE 81\nENTRYPOINT ["y"]\nRUN echo metadata' },
  ],
  [
    'a build argument that nothing declares',
    { text: 'RUN echo undeclared', buildArgs: { A: '1' } },
    { text: 'RUN echo undeclared', buildArgs: { A: '2' } },
  ],
  [
    'a proxy that is not declared',
    { text: 'RUN echo proxy', buildArgs: { HTTP_PROXY: 'http://a.invalid' } },
    { text: 'RUN echo proxy', buildArgs: { HTTP_PROXY: 'http://b.invalid' } },
  ],
  [
    'the value of a secret',
    { text: 'RUN --mount=type=secret,id=s true', secrets: { s: { kind: 'value', value: '1' } } },
    { text: 'RUN --mount=type=secret,id=s true', secrets: { s: { kind: 'value', value: '2' } } },
  ],
  [
    'the address of an added host',
    { text: 'RUN echo host', addHosts: [{ name: 'h', address: '10.0.0.1' }] },
    { text: 'RUN echo host', addHosts: [{ name: 'h', address: '10.0.0.2' }] },
  ],
  [
    'a file of the context that no step uses',
    { text: 'COPY used /\nRUN echo unused', files: { used: 'u', other: '1' } },
    { text: 'COPY used /\nRUN echo unused', files: { used: 'u', other: '2' } },
  ],
];

const MISSES: readonly Change[] = [
  ['the body of a heredoc', { text: 'RUN <<E\necho 1\nE' }, { text: 'RUN <<E\necho 2\nE' }],
  ['the body of a copied heredoc', { text: 'COPY <<E /e\n1\nE' }, { text: 'COPY <<E /e\n2\nE' }],
  [
    'an argument that is declared, used or not',
    { text: 'ARG A=1\nRUN echo unused argument' },
    { text: 'ARG A=2\nRUN echo unused argument' },
  ],
  ['a variable of the image', { text: 'ENV A=1\nRUN echo env' }, { text: 'ENV A=2\nRUN echo env' }],
  ['the working directory', { text: 'WORKDIR /etc\nRUN pwd' }, { text: 'WORKDIR /bin\nRUN pwd' }],
  ['the user', { text: 'USER 1\nRUN id' }, { text: 'USER 2\nRUN id' }],
  ['the shell', { text: 'RUN echo shell' }, { text: 'SHELL ["/bin/sh", "-ec"]\nRUN echo shell' }],
  ['the network', { text: 'RUN echo network' }, { text: 'RUN --network=none echo network' }],
  ['a secret that it gets', { text: 'RUN echo secret' }, { text: 'RUN --mount=type=secret,id=s echo secret' }],
  [
    'an added host',
    { text: 'RUN echo added' },
    { text: 'RUN echo added', addHosts: [{ name: 'h', address: '10.0.0.1' }] },
  ],
  [
    'any file of a context that it mounts',
    { text: 'RUN --mount=target=/c true', files: { f: '1' } },
    { text: 'RUN --mount=target=/c true', files: { f: '2' } },
  ],
  [
    'a destination that a variable makes',
    { text: 'ARG D=1\nCOPY f /d$D/', files: { f: 'f' } },
    { text: 'ARG D=2\nCOPY f /d$D/', files: { f: 'f' } },
  ],
  [
    'a copied heredoc that a variable makes',
    { text: 'ARG D=1\nCOPY <<E /e\n$D\nE' },
    { text: 'ARG D=2\nCOPY <<E /e\n$D\nE' },
  ],
];

const missing = missingForRun();
if (missing !== undefined) process.stderr.write(`SKIPPED build() looks steps up: ${missing}\n`);

describe.skipIf(missing !== undefined)('build() looks steps up', () => {
  beforeAll(() => importBusybox(dataDir));
  afterAll(() => rmSync(home, { recursive: true, force: true }));

  it.each(HITS)('does not run a step again for %s', async (_, before, after) => {
    await build(requestFor(before));
    expect(await lastVerdict(after)).toBe('cached');
  });

  it.each(MISSES)('runs a step again for %s', async (_, before, after) => {
    await build(requestFor(before));
    expect(await lastVerdict(before)).toBe('cached');
    expect(await lastVerdict(after)).not.toBe('cached');
  });

  it('does not run a step again for an argument that is declared below it', async () => {
    const text = 'RUN echo above\nARG A=1';
    await build(requestFor({ text }));
    expect(await lastVerdict({ text, buildArgs: { A: '2' } })).toBe('cached');
  });
});

/** What would become of the last step. */
async function lastVerdict(what: Build): Promise<string | undefined> {
  const { steps } = await plan(requestFor(what));
  return steps.at(-1)?.verdict.kind;
}

function requestFor({ text, files = {}, ...options }: Build): BuildRequest {
  contexts += 1;
  const path = join(home, `context-${contexts}`);
  const all = { Dockerfile: `FROM localhost/busybox\n${text}\n`, ...files };
  for (const [name, content] of Object.entries(all)) {
    mkdirSync(dirname(join(path, name)), { recursive: true });
    writeFileSync(join(path, name), content);
  }
  return { context: { kind: 'directory', path }, dataDir, ...options };
}
