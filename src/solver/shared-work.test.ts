import { describe, expect, it } from 'vitest';
import { createSharedWork } from './shared-work.ts';

function gate(): { readonly open: (value: string) => void; readonly value: Promise<string> } {
  let open: (value: string) => void = () => undefined;
  const value = new Promise<string>((resolve) => {
    open = resolve;
  });
  return { open, value };
}

describe('createSharedWork()', () => {
  it('gives all who ask while it goes on the same result, under each of its keys', async () => {
    const shared = createSharedWork<string>();
    const { open, value } = gate();
    const { signal } = new AbortController();
    const first = shared.run(['a', 'b'], signal, () => value);
    const others = [shared.join('a', signal), shared.join('b', signal)];
    expect(shared.join('c', signal)).toBeUndefined();
    open('done');
    expect(await Promise.all([first, ...others])).toEqual(['done', 'done', 'done']);
    expect(shared.join('a', signal)).toBeUndefined();
  });

  it('goes on when who began it gives up and somebody else waits', async () => {
    const shared = createSharedWork<string>();
    const { open, value } = gate();
    const beginner = new AbortController();
    let aborted = false;
    const first = shared.run(['a'], beginner.signal, async (signal) => {
      signal.addEventListener('abort', () => {
        aborted = true;
      });
      return value;
    });
    const second = shared.join('a', new AbortController().signal);
    beginner.abort();
    expect(aborted).toBe(false);
    open('done');
    expect(await Promise.all([first, second])).toEqual(['done', 'done']);
  });

  it('ends when all have given up, and is joined by nobody from then on', async () => {
    const shared = createSharedWork<string>();
    const controllers = [new AbortController(), new AbortController()];
    const [one, two] = controllers as [AbortController, AbortController];
    const first = shared.run(
      ['a'],
      one.signal,
      (signal) => new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('ended')))),
    );
    const second = shared.join('a', two.signal);
    one.abort();
    two.abort();
    expect(shared.join('a', new AbortController().signal)).toBeUndefined();
    await expect(second).rejects.toMatchObject({ code: 'CANCELLED' });
    await expect(first).rejects.toThrow('ended');
  });

  it('fails for all when it fails, and begins anew afterwards', async () => {
    const shared = createSharedWork<string>();
    const { signal } = new AbortController();
    const first = shared.run(['a'], signal, async () => {
      throw new Error('broken');
    });
    const second = shared.join('a', signal);
    await expect(first).rejects.toThrow('broken');
    await expect(second).rejects.toThrow('broken');
    expect(await shared.run(['a'], signal, async () => 'again')).toBe('again');
  });
});
