import { describe, expect, it, vi } from 'vitest';
import { captureOutput } from '../../../test/cli/fake-context.ts';
import { eventsOf, FAILURE, RECORDING, type Recording, SUCCESS } from '../../../test/cli/recorded-build.ts';
import { createStyle, PLAIN_STYLE } from '../terminal/style.ts';
import { createPlainProgress } from './plain.ts';

function show(recording: Recording, style = PLAIN_STYLE): readonly string[] {
  const output = captureOutput();
  const progress = createPlainProgress(output, style);
  for (const event of eventsOf(recording)) progress.onEvent(event);
  progress.close();
  progress.close();
  return output.text().split('\n');
}

describe('createPlainProgress()', () => {
  it('names a step once, numbers its lines, and says how long it took', () => {
    const lines = show([...RECORDING, ...SUCCESS]);
    expect(lines.slice(0, 8)).toEqual([
      '#1 [build 1/5] FROM docker.io/library/debian:12',
      '#1 pulling 4f4fb700ef54 33MB / 48.5MB',
      '#1 pulling 4f4fb700ef54 48.5MB done',
      '#1 DONE 1.6s',
      '',
      '#2 [build 2/5] WORKDIR /src',
      '#2 CACHED',
      '',
    ]);
  });

  it('names a step that says nothing once it has been at work for a moment', () => {
    vi.useFakeTimers();
    try {
      const output = captureOutput();
      const progress = createPlainProgress(output, PLAIN_STYLE);
      progress.onEvent({ kind: 'vertex-started', time: 0, vertex: 'sleep' });
      expect(output.text()).toBe('');
      vi.advanceTimersByTime(200);
      expect(output.text()).toBe('#1 sleep\n');
      progress.onEvent({ kind: 'vertex-started', time: 0, vertex: 'other' });
      progress.close();
      vi.advanceTimersByTime(1000);
      expect(output.text()).toBe('#1 sleep\n\n');
    } finally {
      vi.useRealTimers();
    }
  });

  it('says what changed when a step is not cached', () => {
    const lines = show([...RECORDING, ...SUCCESS]);
    const at = lines.indexOf('#3 not cached, changed: file src/main.js');
    expect(lines[at + 1]).toBe('#3 DONE 0.0s');
  });

  it('gives every log line its step and the time since the step began, and never cuts it', () => {
    const lines = show([...RECORDING, ...SUCCESS]);
    expect(lines).toContain(
      '#4 0.230 npm WARN deprecated inflight@1.0.6: This module is not supported, and leaks memory. Do not use it.',
    );
    const long = 'x'.repeat(20_000);
    const [, line] = show([[0, { kind: 'log', vertex: 'v', stream: 'stdout', text: `${long}\n` }]]);
    expect(line!.endsWith(long)).toBe(true);
  });

  it('puts together a line that comes in pieces, and shows one without an end when its step ends', () => {
    const lines = show([...RECORDING, ...SUCCESS]);
    expect(lines).toContain('#4 0.430 npm WARN second half');
    expect(lines.indexOf('#4 1.450 added 120 packages in 1s')).toBe(lines.indexOf('#4 DONE 1.4s') - 1);
  });

  it('repeats the name of a step when the output changes from one step to another', () => {
    const lines = show([...RECORDING, ...SUCCESS]);
    const at = lines.indexOf('#5 0.529 > tsc');
    expect(lines.slice(at - 2, at)).toEqual(['', '#5 [build 5/5] RUN npm run build']);
  });

  it('shows output as a terminal would end up showing it, without control sequences', () => {
    const lines = show([...RECORDING, ...SUCCESS]);
    expect(lines).toContain('#5 0.529 100%');
    expect(lines.join('\n')).not.toContain('\x1b');
  });

  it('prints an error at its step and each warning once at the end', () => {
    const warning = RECORDING.find(([, { kind }]) => kind === 'warning')!;
    const lines = show([...RECORDING, warning, ...FAILURE]);
    expect(lines).toContain('#5 ERROR: The command "npm run build" failed with exit code 2.');
    expect(lines.slice(-5)).toEqual([
      '1 warning:',
      '  ! Dockerfile:7: "ENV key value" is an old form (LegacyKeyValueFormat)',
      '    Write ENV key=value.',
      '',
      '',
    ]);
  });

  it('mentions a transfer after a second, then every five, and at its end', () => {
    const transfer = (atMs: number, currentBytes: number): Recording[number] => [
      atMs,
      {
        kind: 'transfer',
        id: 't',
        direction: 'push',
        name: 'app',
        currentBytes,
        totalBytes: 9000,
        done: currentBytes === 9000,
      },
    ];
    const lines = show([
      transfer(0, 0),
      transfer(900, 900),
      transfer(1000, 1000),
      transfer(5900, 5900),
      transfer(6000, 6000),
      transfer(6100, 9000),
    ]);
    expect(lines.filter((line) => line !== '')).toEqual([
      'pushing app 1kB / 9kB',
      'pushing app 6kB / 9kB',
      'pushing app 9kB done',
    ]);
  });

  it('colours verdicts only where there are colours', () => {
    expect(show(RECORDING, createStyle(true))).toContain('#2 \x1b[36mCACHED\x1b[39m');
  });
});
