import { describe, expect, it } from 'vitest';
import { runFake } from '../../test/cli/fake-context.ts';
import { COMMAND_NAMES, loadCommands } from './command-table.ts';
import { textWidth } from './terminal/text-width.ts';

const COMMANDS = await loadCommands();
const commands = COMMANDS.map((command) => [command.name, command] as const);

describe('COMMAND_NAMES', () => {
  it('holds the names that the commands themselves say', () => {
    expect(COMMAND_NAMES).toEqual(COMMANDS.map(({ name }) => name));
  });
});

describe('runCommandLine()', () => {
  it.each([['help'], ['--help'], ['-h']])('prints the overview for %s', async (word) => {
    const { status, stdout, stderr } = await runFake([word]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    for (const { name, summary } of COMMANDS)
      expect(stdout).toMatch(new RegExp(`^ {2}${name} +${summary.slice(0, 20)}`, 'm'));
  });

  it('prints the overview as an error when there is no command', async () => {
    const { status, stdout, stderr } = await runFake([]);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toContain('Usage: zlayer COMMAND');
  });

  it.each([
    [['biuld', '.'], 'Did you mean "zlayer build"?'],
    [['xyzzy'], 'See `zlayer help`.'],
    [['--nonsense'], 'There is no option --nonsense before a command.'],
    [['help', 'pul'], 'Did you mean "zlayer pull"?'],
    [['du', 'x'], '"zlayer du" takes no arguments, but was given 1: x'],
    [['tag', 'x'], '"zlayer tag" takes 2 arguments'],
    [['rmi'], '"zlayer rmi" needs an argument: IMAGE [IMAGE...].'],
  ])('refuses %j with advice', async (args, text) => {
    const { status, stdout, stderr } = await runFake(args);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toContain(text);
  });
});

describe.each(commands)('zlayer %s --help', (name, command) => {
  it('shows every option, and examples that begin as they must', async () => {
    const { status, stdout } = await runFake([name, '--help']);
    expect(status).toBe(0);
    expect(stdout).toBe((await runFake(['help', name])).stdout);
    for (const option of Object.keys(command.options)) expect(stdout).toMatch(new RegExp(`--${option}\\b`));
    expect(command.examples.length).toBeGreaterThan(0);
    for (const { line } of command.examples) expect(line).toContain(`zlayer ${name}`);
  });

  it.each([40, 80])('fits into %d columns but for words that cannot be broken', async (columns) => {
    const { stdout } = await runFake([name, '--help'], { terminal: { columns, rows: 24 }, env: { NO_COLOR: '1' } });
    const examples = stdout.indexOf('Examples:');
    for (const line of stdout.slice(0, examples).split('\n')) {
      if (textWidth(line) > columns) expect(line.trim()).toMatch(/^\S+$|^-|^Usage:/);
    }
  });

  it('writes sentences without a full stop at the end of helps', () => {
    for (const { help } of Object.values(command.options)) expect(help).not.toMatch(/\.$/);
  });
});
