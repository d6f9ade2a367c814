import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { answerGit } from '../../../test/support/git-server.ts';
import { lacksPrograms } from '../../../test/support/host.ts';
import type { GitOp } from '../../graph/index.ts';
import { createTestEngine, listing, type TestEngine } from '../test-engine.fixture.ts';
import type { SecretProvider, TreeResult } from '../types.ts';
import { fetchContext } from './fetch-context.ts';
import { fetchGit } from './fetch-git.ts';

const COMMIT_TIME = 1_500_000_000;
const lacksGit = lacksPrograms('fetchGit()', ['git']);

let engine: TestEngine;
let server: Server | undefined;
const authorizations: (string | undefined)[] = [];

beforeEach(async () => {
  engine = await createTestEngine();
});
afterEach(async () => {
  server?.closeAllConnections();
  server?.close();
  server = undefined;
  authorizations.length = 0;
  await engine[Symbol.asyncDispose]();
});

function git(directory: string, ...args: readonly string[]): string {
  const date = `${COMMIT_TIME} +0000`;
  const env = {
    PATH: process.env['PATH'],
    HOME: '/nonexistent',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_AUTHOR_NAME: 'a',
    GIT_AUTHOR_EMAIL: 'a@b',
    GIT_COMMITTER_NAME: 'a',
    GIT_COMMITTER_EMAIL: 'a@b',
    GIT_AUTHOR_DATE: date,
    GIT_COMMITTER_DATE: date,
  };
  const options = [
    '-c',
    'protocol.file.allow=always',
    '-c',
    'init.defaultBranch=main',
    '-c',
    'uploadpack.allowAnySHA1InWant=true',
  ];
  return execFileSync('git', [...options, ...args], { cwd: directory, env, stdio: ['ignore', 'pipe', 'ignore'] })
    .toString()
    .trim();
}

/** `main` and the tag v1 have one commit, the branch `next` a second one. */
function makeRepository(root: string): { readonly first: string; readonly second: string } {
  mkdirSync(join(root, 'sub/deep'), { recursive: true });
  git(root, 'init', '-q');
  writeFileSync(join(root, 'file'), 'one');
  writeFileSync(join(root, 'run.sh'), '#!/bin/sh\n');
  chmodSync(join(root, 'run.sh'), 0o700);
  writeFileSync(join(root, 'sub/deep/x'), 'x');
  symlinkSync('file', join(root, 'link'));
  git(root, 'add', '.');
  git(root, 'commit', '-qm', 'first');
  git(root, 'tag', '-am', 'tag', 'v1');
  const first = git(root, 'rev-parse', 'HEAD');
  git(root, 'checkout', '-qb', 'next');
  writeFileSync(join(root, 'file'), 'two');
  git(root, 'commit', '-qam', 'second');
  const second = git(root, 'rev-parse', 'HEAD');
  git(root, 'checkout', '-q', 'main');
  return { first, second };
}

/** git's own CGI program behind http. */
function serveSmart(root: string): Promise<string> {
  return listen((request, response) => answerGit(root, request, response));
}

async function listen(handler: (request: IncomingMessage, response: ServerResponse) => void): Promise<string> {
  server = createServer((request, response) => {
    authorizations.push(request.headers.authorization);
    handler(request, response);
  });
  await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function fetch(url: string, more: Partial<GitOp> = {}, secrets?: SecretProvider): Promise<TreeResult> {
  const op: GitOp = { kind: 'git', url, keepGitDir: false, submodules: true, ...more };
  const env = secrets === undefined ? engine.env : { ...engine.env, secrets };
  return fetchGit({ env }, { op, vertex: 'v' }, engine.context);
}

const names = (result: TreeResult): readonly string[] =>
  listing(result.tree).map((line) => line.replace(/ \d+:\d+/, ''));

describe.skipIf(lacksGit)('fetchGit()', () => {
  it('checks a branch, a tag and a commit out, modes and times normalised, without .git', async () => {
    const root = join(engine.directory, 'repos/r.git');
    const { first, second } = makeRepository(root);
    const url = `${await serveSmart(join(engine.directory, 'repos'))}/r.git/.git`;
    const head = await fetch(url);
    expect(names(head)).toEqual([
      '-644 file',
      's777 link -> file',
      '-755 run.sh',
      'd755 sub',
      'd755 sub/deep',
      '-644 sub/deep/x',
    ]);
    expect(['file', 'sub', 'link'].map((path) => head.tree.stat(path)?.mtime)).toEqual([
      COMMIT_TIME,
      COMMIT_TIME,
      COMMIT_TIME,
    ]);
    expect(head.identity).toContain(first);
    expect((await fetch(url, { ref: 'v1' })).identity).toBe(head.identity);
    expect((await fetch(url, { ref: first })).identity).toBe(head.identity);
    expect((await fetch(url, { ref: first.slice(0, 10) })).identity).toBe(head.identity);
    const next = await fetch(url, { ref: 'next' });
    expect(next.identity).toContain(second);
    expect((await fetch(url, { ref: 'refs/heads/next' })).identity).toBe(next.identity);
  });

  it('takes a subdirectory, and keeps .git when asked', async () => {
    makeRepository(join(engine.directory, 'repos/r.git'));
    const url = `${await serveSmart(join(engine.directory, 'repos'))}/r.git/.git`;
    expect(names(await fetch(url, { subdir: 'sub' }))).toEqual(['d755 deep', '-644 deep/x']);
    await expect(fetch(url, { subdir: 'none' })).rejects.toMatchObject({ code: 'SOURCE_NOT_FOUND' });
    expect((await fetch(url, { keepGitDir: true })).tree.stat('.git/HEAD')?.type).toBe('file');
  });

  it('refuses a commit that is not the one of the checksum, and a ref that is not there', async () => {
    const { first } = makeRepository(join(engine.directory, 'repos/r.git'));
    const url = `${await serveSmart(join(engine.directory, 'repos'))}/r.git/.git`;
    await expect(fetch(url, { ref: 'next', checksum: first })).rejects.toMatchObject({ code: 'CHECKSUM_MISMATCH' });
    await expect(fetch(url, { ref: 'v1', checksum: first })).resolves.toBeDefined();
    await expect(fetch(url, { ref: 'no-such-branch' })).rejects.toMatchObject({ code: 'GIT_FAILED' });
  });

  it('works with a server that only hands out files', async () => {
    const root = join(engine.directory, 'repos/r.git');
    const { first } = makeRepository(root);
    git(root, 'update-server-info');
    const { readFileSync } = await import('node:fs');
    const url = await listen((request, response) => {
      const path = join(root, '.git', (request.url ?? '').split('?')[0] ?? '');
      if (existsSync(path) && statSync(path).isFile()) response.end(readFileSync(path));
      else response.writeHead(404).end();
    });
    expect((await fetch(`${url}/`, { ref: 'v1' })).identity).toContain(first);
  });

  it('gives tokens to git by its environment, and only to http', async () => {
    makeRepository(join(engine.directory, 'repos/r.git'));
    const url = `${await serveSmart(join(engine.directory, 'repos'))}/r.git/.git`;
    await fetch(url, {}, (id) => Promise.resolve(id === 'GIT_AUTH_TOKEN' ? Buffer.from('t0ken\n') : undefined));
    const expected = `Basic ${Buffer.from('x-access-token:t0ken').toString('base64')}`;
    expect(new Set(authorizations)).toEqual(new Set([expected]));
    authorizations.length = 0;
    await fetch(url.replace('//', '//me:pw@'), { ref: 'next' });
    expect(new Set(authorizations)).toEqual(new Set([`Basic ${Buffer.from('me:pw').toString('base64')}`]));
    const trees = engine.env.store.area('trees');
    expect((await trees.list()).length).toBeGreaterThan(0);
  });

  it('refuses protocols that would run programs or read files', async () => {
    makeRepository(join(engine.directory, 'r'));
    for (const url of [`file://${engine.directory}/r`, 'ext::sh -c true', `${engine.directory}/r`]) {
      await expect(fetch(url)).rejects.toMatchObject({ code: 'GIT_FAILED' });
    }
  });

  it('ends git when it is cancelled', async () => {
    const controller = new AbortController();
    const url = await listen(() => controller.abort());
    const op: GitOp = { kind: 'git', url: `${url}/r.git`, keepGitDir: false, submodules: false };
    const work = fetchGit({ env: engine.env }, { op, vertex: 'v' }, { ...engine.context, signal: controller.signal });
    await expect(work).rejects.toMatchObject({ code: 'CANCELLED' });
  });

  it('serves as a context of a whole build', async () => {
    makeRepository(join(engine.directory, 'repos/r.git'));
    const url = `${await serveSmart(join(engine.directory, 'repos'))}/r.git/.git`;
    const directory = await fetchContext(
      { store: engine.env.store },
      { kind: 'url', url: `${url}#v1:sub` },
      engine.context,
    );
    expect(readdirSync(directory)).toEqual(['deep']);
  });
});
