import { describe, expect, it } from 'vitest';
import { locationOf } from '../../../test/cli/recorded-build.ts';
import { BuildError } from '../../core/index.ts';
import { createStyle, PLAIN_STYLE } from '../terminal/style.ts';
import { formatError } from './format-error.ts';

const WIDE = { columns: Number.POSITIVE_INFINITY, style: PLAIN_STYLE };

describe('formatError()', () => {
  it('shows the place between message and hint', () => {
    const error = new BuildError('SOURCE_NOT_FOUND', '"dist" is not there.', {
      location: locationOf(7),
      hint: 'Take the rule out.',
    });
    expect(formatError(error, WIDE).split('\n')).toEqual([
      'error: "dist" is not there. [SOURCE_NOT_FOUND]',
      '',
      'at Dockerfile:7:1',
      '  5 |     npm ci --omit=dev && \\',
      '  6 |     echo installed',
      '> 7 | COPY . .',
      '    | ^^^^^^^^',
      '  8 | RUN npm run build',
      '  9 |',
      '',
      'hint: Take the rule out.',
      '',
    ]);
  });

  it('breaks long lines where the terminal ends, under their labels', () => {
    const error = new BuildError('HOST_LACKS', 'The step cannot be run, because this machine has no user namespaces.', {
      hint: 'Ask the administrator to set kernel.unprivileged_userns_clone to 1, or build as root.',
    });
    const lines = formatError(error, { columns: 40, style: PLAIN_STYLE }).split('\n');
    expect(lines).toEqual([
      'error: The step cannot be run, because',
      '       this machine has no user',
      '       namespaces. [HOST_LACKS]',
      'hint: Ask the administrator to set',
      '      kernel.unprivileged_userns_clone',
      '      to 1, or build as root.',
      '',
    ]);
  });

  it('lets nothing through that could change the terminal', () => {
    const error = new BuildError('STEP_FAILED', 'Failed: \x1b[2Jx\x07', {
      facts: { vertex: 'v', exitCode: 1, outputTail: ['\x1b]0;evil\x07a\x9bAb\u202e'] },
    });
    const text = formatError(error, WIDE);
    expect(text).toContain('error: Failed: x [STEP_FAILED]');
    expect(text).toContain('  | ab');
    expect(text).not.toMatch(/[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]/);
  });

  it('colours labels and marks where there are colours', () => {
    const text = formatError(new BuildError('DOCKERFILE_SYNTAX', 'No.', { location: locationOf(2) }), {
      columns: 80,
      style: createStyle(true),
    });
    expect(text).toContain('\x1b[31m\x1b[1merror: ');
    expect(text).toContain('\x1b[31m ^^^^^^^^^^^^\x1b[39m');
  });

  it('says that the command printed nothing', () => {
    const error = new BuildError('STEP_FAILED', 'Failed.', { facts: { vertex: 'v', exitCode: 1, outputTail: [] } });
    expect(formatError(error, WIDE)).toContain('The command printed nothing.');
    const missing = new BuildError('STEP_FAILED', 'Failed.', { facts: { vertex: 'v', exitCode: 127, outputTail: [] } });
    expect(formatError(missing, WIDE)).not.toContain('printed');
  });
});
