import { describe, expect, it } from 'vitest';
import { contextOf, createTestEngine, file, from, listing } from '../test-engine.fixture.ts';

describe('runCopy()', () => {
  it('copies a file to a name that is not there', async () => {
    await using engine = await createTestEngine();
    const tree = await engine.copy({ sources: [from('a.txt')], destination: '/dst' }, [
      contextOf([file('a.txt', 'hello')]),
    ]);
    expect(listing(tree)).toEqual(['-644 0:0 dst']);
  });
});
