import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createFakeTerminal, type FakeTerminal } from '../../../test/cli/fake-terminal.ts';
import { eventsOf, FAILURE, RECORDING, type Recording, SUCCESS } from '../../../test/cli/recorded-build.ts';
import { createStyle, PLAIN_STYLE } from '../terminal/style.ts';
import { textWidth } from '../terminal/text-width.ts';
import { createTtyProgress } from './tty.ts';

const START_MS = 1_000_000;
const UTF8 = { LANG: 'C.UTF-8' };

/** Plays a recording against the clock that vitest fakes, looking at the terminal at some moments. */
function play(
  recording: Recording,
  terminal: FakeTerminal,
  options: {
    readonly at?: Readonly<Record<number, () => void>>;
    readonly env?: Record<string, string>;
    readonly coloured?: boolean;
  } = {},
) {
  const progress = createTtyProgress({
    output: terminal,
    style: options.coloured === true ? createStyle(true) : PLAIN_STYLE,
    env: options.env ?? UTF8,
    now: Date.now,
  });
  const looks = Object.entries(options.at ?? {}).map(([atMs, look]) => ({ atMs: Number(atMs), act: look }));
  const events = eventsOf(recording, START_MS).map((event) => ({
    atMs: event.time - START_MS,
    act: () => progress.onEvent(event),
  }));
  for (const { atMs, act } of [...events, ...looks].sort((a, b) => a.atMs - b.atMs)) {
    vi.advanceTimersByTime(START_MS + atMs - Date.now());
    act();
  }
  return progress;
}

beforeEach(() => {
  vi.useFakeTimers({ now: START_MS });
});
afterEach(() => {
  vi.useRealTimers();
});

describe('createTtyProgress()', () => {
  it('shows running steps with their time, last output and transfers, and the state of the whole', () => {
    const terminal = createFakeTerminal({ columns: 80, rows: 24 });
    const seen: Record<string, readonly string[]> = {};
    play(RECORDING, terminal, {
      at: { 1200: () => (seen.pull = terminal.lines()), 2500: () => (seen.run = terminal.lines()) },
    });
    expect(seen.pull).toEqual([
      expect.stringMatching(/^ . \[build 1\/5\] FROM docker\.io\/library\/debian:12 +1\.\ds$/),
      expect.stringMatching(/^ {5}↓ 4f4fb700ef54 +━{14}─{6} 33MB\/48\.5MB [\d.]+MB\/s$/),
      expect.stringMatching(/^ {3}0\/6 steps {2}1\.\ds {2}Dockerfile$/),
    ]);
    expect(seen.run!.slice(3)).toEqual([
      expect.stringMatching(/^ . \[build 4\/5\] RUN --mount=type=cache,target=\/root\/.npm npm ci --omit=dev… 0\.8s$/),
      '     npm WARN deprecated inflight@1.0.6: This module is not supported, and lea…',
      '     npm WARN second half',
      expect.stringMatching(/^ . \[build 5\/5\] RUN npm run build +0\.8s$/),
      '     > tsc',
      '     100%',
      expect.stringMatching(/^ {5}日本語.*…$/),
      '   3/6 steps  1 cached  2.5s  Dockerfile',
    ]);
  });

  it('leaves one line for every step, in order, with what changed, and nothing of the frames', () => {
    const terminal = createFakeTerminal({ columns: 80, rows: 24 });
    play([...RECORDING, ...SUCCESS], terminal).close();
    expect(terminal.lines()).toEqual([
      ' ✔ [build 1/5] FROM docker.io/library/debian:12                            1.6s',
      ' ✔ [build 2/5] WORKDIR /src                                              cached',
      ' ✔ [build 3/5] COPY package.json package-lock.json .  changed: file src/m… 0.0s',
      expect.stringMatching(/^ ✔ \[build 4\/5\] RUN .*… 1\.4s$/),
      ' ✔ [build 5/5] RUN npm run build                                           1.8s',
      ' ✔ [stage-1 1/1] COPY --from=build /src/dist /app                          0.1s',
      ' ↑ docker.io/me/app:1.0                                                     9MB',
      '1 warning:',
      '  ! Dockerfile:7: "ENV key value" is an old form (LegacyKeyValueFormat)',
      '    Write ENV key=value.',
    ]);
    expect(terminal.cursorVisible()).toBe(true);
    expect(terminal.unknown()).toEqual([]);
  });

  it('marks the step that failed', () => {
    const terminal = createFakeTerminal({ columns: 60, rows: 24 });
    play([...RECORDING, ...FAILURE], terminal).close();
    expect(terminal.lines()).toContain(' ✘ [build 5/5] RUN npm run build                       1.8s');
  });

  it.each([20, 32, 40, 80, 200])('stays one column inside a terminal of %d columns', (columns) => {
    const terminal = createFakeTerminal({ columns, rows: 24 });
    const look = (): void => {
      for (const line of terminal.lines()) expect(textWidth(line)).toBeLessThan(columns);
    };
    play([...RECORDING, ...SUCCESS], terminal, { at: { 1200: look, 2500: look, 3600: look, 4000: look } });
    look();
  });

  it('never draws more lines than the terminal has rows, and says what is hidden', () => {
    const many: Recording = Array.from({ length: 30 }, (_, index) => [
      0,
      { kind: 'vertex-started', vertex: `v${index}` },
    ]);
    const terminal = createFakeTerminal({ columns: 40, rows: 10 });
    play([...many, [250, { kind: 'vertex-started', vertex: 'last' }]], terminal);
    expect(terminal.lines()).toHaveLength(9);
    expect(terminal.lines()[7]).toBe('   and 23 more at work');
  });

  it.each([
    [80, 33],
    [80, 120],
    [40, 25],
  ])('leaves nothing behind when it is resized from %d to %d columns', (before, after) => {
    const terminal = createFakeTerminal({ columns: before, rows: 24 });
    const footers = (): readonly string[] => terminal.lines().filter((line) => line.includes('steps  '));
    let seen: readonly string[] = [];
    play(RECORDING, terminal, { at: { 2350: () => terminal.resize(after), 2600: () => (seen = footers()) } });
    expect(seen).toHaveLength(1);
  });

  it('redraws at most ten times a second, and not at all when nothing has changed', () => {
    const terminal = createFakeTerminal({ columns: 80, rows: 24 });
    const chatty: Recording = Array.from({ length: 5000 }, (_, index) => [
      Math.floor(index / 5),
      { kind: 'log', vertex: 'v', stream: 'stdout', text: `line ${index}\n` },
    ]);
    play([[0, { kind: 'vertex-started', vertex: 'v' }], ...chatty], terminal);
    expect(terminal.writes()).toBeLessThanOrEqual(10);
    expect(terminal.lines().filter((line) => line.startsWith('     line '))).toHaveLength(6);
  });

  it('shows a build that is over before the first frame without moving the cursor', () => {
    const terminal = createFakeTerminal({ columns: 80, rows: 24 });
    const cached: Recording = [
      [0, { kind: 'build-planned', vertices: [{ id: 'a', name: '[1/1] COPY . .', inputs: [], number: 1 }] }],
      [1, { kind: 'vertex-completed', vertex: 'a', durationMs: 0, verdict: { kind: 'cached', reason: '' } }],
    ];
    play(cached, terminal).close();
    expect(terminal.lines()).toEqual([
      ' ✔ [1/1] COPY . .                                                        cached',
    ]);
  });

  it('uses plain signs where the locale has no Unicode, and colours only where asked', () => {
    const plain = createFakeTerminal({ columns: 80, rows: 24 });
    play([...RECORDING, ...SUCCESS], plain, { env: { LANG: 'C' } }).close();
    expect(plain.lines()[1]).toMatch(/^ \+ \[build 2\/5\]/);
  });

  it('lets nothing that a command prints reach the terminal as a control sequence', () => {
    const terminal = createFakeTerminal({ columns: 80, rows: 24 });
    const nasty = '\x1b[2J\x1b]0;title\x07\x9b5Ahello\x08\x00\n';
    play(
      [
        [0, { kind: 'vertex-started', vertex: 'v' }],
        [10, { kind: 'log', vertex: 'v', stream: 'stdout', text: nasty }],
        [300, { kind: 'log', vertex: 'v', stream: 'stdout', text: '\n' }],
      ],
      terminal,
    );
    expect(terminal.unknown()).toEqual([]);
    expect(terminal.lines()[1]).toBe('     hello');
  });
});
