import { describe, expect, it } from 'vitest';
import { requireSyntax } from './require-syntax.ts';

function check(text: string, override?: string): void {
  requireSyntax({ fileName: 'Dockerfile', text }, override);
}

describe('requireSyntax()', () => {
  it.each([
    'FROM a',
    '# syntax=docker/dockerfile:1\nFROM a',
    '# syntax=docker/dockerfile:1.7-labs\nFROM a',
    '# syntax=docker.io/docker/dockerfile-upstream:master\nFROM a',
    `# syntax=mirror.test:5000/hub/docker/dockerfile:1@sha256:${'0'.repeat(64)}\nFROM a`,
  ])('takes %j', (text) => {
    expect(() => check(text)).not.toThrow();
  });
  it('refuses another frontend and points at it', () => {
    expect(() => check('# syntax=example.com/nix:1 --x\nFROM a')).toThrow(
      expect.objectContaining({
        code: 'UNSUPPORTED',
        location: expect.objectContaining({ range: { start: { line: 1, column: 10 }, end: { line: 1, column: 31 } } }),
      }),
    );
  });
  it.each([
    '# syntax=example.com/nix\n{ pkgs }: 1',
    '// syntax=example.com/go\npackage x',
    '{"syntax": "example.com/json"}',
  ])('recognises %j, which is no Dockerfile', (text) => {
    expect(() => check(text)).toThrow(expect.objectContaining({ code: 'UNSUPPORTED' }));
  });
  it('lets the build argument decide in place of the directive', () => {
    expect(() => check('# syntax=example.com/nix\nFROM a', 'docker/dockerfile:1')).not.toThrow();
    expect(() => check('FROM a', 'evil/docker/dockerfilex')).toThrow(/docker\/dockerfilex/);
  });
});
