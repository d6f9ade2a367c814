import { describe, expect, it } from 'vitest';
import { isBuildError } from '../../core/index.ts';
import type { Vertex, VertexId } from '../../graph/index.ts';
import { buildahFailed } from './buildah-failure.ts';
import { buildFailed } from './step-failure.ts';

const codeOf = (stderr: string): string =>
  buildahFailed({ action: 'pull x', registry: 'r.example' }, { exitCode: 125, stdout: '', stderr }).code;

describe('buildahFailed()', () => {
  it.each([
    [
      'Error: initializing source docker://r/x:latest: reading manifest latest in r/x: unauthorized: authentication required',
      'REGISTRY_UNAUTHORIZED',
    ],
    [
      'Error: initializing source docker://r/x:latest: reading manifest latest in r/x: manifest unknown: manifest unknown',
      'IMAGE_NOT_FOUND',
    ],
    ['Error: reading manifest latest in docker.io/a/b: requested access to the resource is denied', 'REGISTRY_DENIED'],
    [
      'Error: pinging container registry r: Get "https://r/v2/": dial tcp 127.0.0.1:443: connect: connection refused',
      'REGISTRY_UNAVAILABLE',
    ],
    ['Error: reading manifest: toomanyrequests: You have reached your pull rate limit', 'REGISTRY_RATE_LIMITED'],
    [
      'Error: choosing an image from manifest list docker://r/x: no image found in manifest list for architecture arm',
      'PLATFORM_NOT_FOUND',
    ],
    ['Error: writing blob: adding layer: no space left on device', 'STORE_FULL'],
    ['Error: something else entirely', 'BACKEND_FAILED'],
  ])('reads %j as %s', (stderr, code) => {
    expect(codeOf(stderr)).toBe(code);
  });

  it('names the registry that wants a sign-in', () => {
    const error = buildahFailed(
      { action: 'pull x', registry: 'r.example' },
      { exitCode: 125, stdout: '', stderr: 'Error: unauthorized' },
    );
    expect(isBuildError(error, 'REGISTRY_UNAUTHORIZED') && error.facts?.registry).toBe('r.example');
  });
});

const location = {
  fileName: 'Dockerfile',
  text: 'RUN x',
  range: { start: { line: 1, column: 1 }, end: { line: 1, column: 6 } },
};
const vertex = {
  id: 'sha256:1' as VertexId,
  inputs: [],
  info: { name: 'RUN x', slot: '', ignoreCache: false, location },
  op: { kind: 'exec', args: ['/bin/sh', '-c', 'make all'] },
} as unknown as Vertex;

describe('buildFailed()', () => {
  it.each([
    [
      'chroot',
      'subprocess exited with status 3\nError: building at STEP "RUN /bin/sh -c make": exit status 3\n',
      3,
      undefined,
    ],
    ['oci', 'Error: building at STEP "RUN /bin/sh -c make": while running runtime: exit status 7\n', 7, undefined],
    [
      'a signal',
      'subprocess exited on killed\nsubprocess exited with status 1\nError: building at STEP "RUN x": exit status 1\n',
      137,
      'SIGKILL',
    ],
    [
      'no such program',
      'process failed to start with error: fork/exec /nope: no such file or directorysubprocess exited with status 1\nError: building at STEP "RUN /nope": exit status 1\n',
      127,
      undefined,
    ],
  ])('reads the end of a command: %s', (_how, stderr, exitCode, signal) => {
    const error = buildFailed({ vertex, exit: { exitCode: 1, stdout: '', stderr }, outputTail: ['last'] });
    expect(error).toMatchObject({ code: 'STEP_FAILED', location, facts: { exitCode, outputTail: ['last'] } });
    expect(isBuildError(error, 'STEP_FAILED') && error.facts?.signal).toBe(signal);
    expect(error.message).toContain('make all');
  });

  it('does not blame the command for what buildah could not do', () => {
    const stderr =
      'Error: building at STEP "RUN x": resolving mountpoints for container "c": no stage or image found\n';
    expect(buildFailed({ vertex, exit: { exitCode: 125, stdout: '', stderr }, outputTail: [] }).code).toBe(
      'BACKEND_FAILED',
    );
  });
});
