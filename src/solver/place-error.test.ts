import { describe, expect, it } from 'vitest';
import { BuildError, digestOf, type SourceLocation } from '../core/index.ts';
import type { StepPart, Vertex } from '../graph/index.ts';
import { placeOfError } from './place-error.ts';

function at(column: number): SourceLocation {
  return { fileName: 'Dockerfile', text: '', range: { start: { line: 1, column }, end: { line: 1, column } } };
}

const PARTS: readonly StepPart[] = [
  { kind: 'source', text: '/a/./b', location: at(2) },
  { kind: 'source', text: 'c*', location: at(3) },
  { kind: 'destination', text: '/to/', location: at(4) },
  { kind: 'owner', text: 'app', location: at(5) },
  { kind: 'mount', text: 'npm', location: at(6) },
  { kind: 'device', text: 'acme.com/gpu', location: at(7) },
];

const VERTEX: Vertex = {
  id: digestOf('v'),
  op: { kind: 'scratch' },
  inputs: [],
  info: { name: 'v', slot: 'v', ignoreCache: false, location: at(1), parts: PARTS },
};

describe('placeOfError()', () => {
  it.each([
    [new BuildError('SOURCE_NOT_FOUND', 'x', { facts: { path: 'a/b' } }), 2],
    [new BuildError('SOURCE_NOT_FOUND', 'x', { facts: { path: 'c*' } }), 3],
    [new BuildError('SOURCE_NOT_FOUND', 'x', { facts: { path: 'other' } }), 1],
    [new BuildError('COPY_CONFLICT', 'x'), 4],
    [new BuildError('USER_NOT_FOUND', 'x'), 5],
    [new BuildError('SECRET_MISSING', 'x', { facts: { id: 'npm' } }), 6],
    [new BuildError('SECRET_MISSING', 'x', { facts: { id: 'other' } }), 1],
    [new BuildError('HOST_LACKS', 'No device is called "acme.com/gpu".'), 7],
    [new BuildError('STEP_FAILED', 'x'), 1],
  ])('finds the word of %s', (error, column) => {
    expect(placeOfError(VERTEX, error)?.range.start.column).toBe(column);
  });
});
