import { describe, expect, it } from 'vitest';
import { loadCommands } from '../command-table.ts';
import { type Completion, completeWords } from './complete-words.ts';

const COMMANDS = await loadCommands();

function complete(...words: string[]): Promise<Completion> {
  return completeWords(words, {
    commands: COMMANDS,
    imageNames: async () => ['app:1.0', 'app:2.0', 'debian:12'],
    stageNames: (file) => (file === 'other' ? ['test'] : ['build', 'base']),
  });
}

async function valuesOf(...words: string[]): Promise<readonly string[]> {
  return (await complete(...words)).candidates.map(({ value }) => value);
}

describe('completeWords()', () => {
  it('offers commands with their summaries', async () => {
    expect(await valuesOf('pu')).toEqual(['push', 'pull']);
    expect(await valuesOf('help', 'bu')).toEqual(['build', 'buildd']);
    const firstWords = new Set(COMMANDS.map(({ name }) => name.split(' ')[0]));
    expect(await valuesOf('')).toEqual([...firstWords, 'help']);
    expect((await complete('build')).candidates).toContainEqual({
      value: 'build',
      help: 'Build an image from a Dockerfile',
    });
    expect(await complete('nonsense', '')).toEqual({ candidates: [], files: 'none' });
  });

  it('offers a group once, then its commands, then their options', async () => {
    expect((await complete('dockerf')).candidates).toEqual([{ value: 'dockerfile', help: 'Commands: fmt, parse' }]);
    expect(await valuesOf('dockerfile', '')).toEqual(['fmt', 'parse']);
    expect(await valuesOf('help', 'dockerfile', 'f')).toEqual(['fmt']);
    expect(await valuesOf('dockerfile', 'fmt', '--w')).toEqual(['--write']);
    expect(await complete('context', 'ls', '')).toEqual({ candidates: [], files: 'directories' });
  });

  it('offers options, but none that are refused', async () => {
    expect(await valuesOf('build', '--no')).toEqual(['--no-cache', '--no-cache-filter']);
    expect(await valuesOf('build', '--sbo')).toEqual([]);
    expect(await valuesOf('du', '-')).toEqual(['--verbose', '--format', '--backend', '--data-dir', '--help']);
  });

  it('offers the values of an option, beside it and behind "="', async () => {
    expect(await valuesOf('build', '--progress', 'p')).toEqual(['plain']);
    expect(await valuesOf('build', '--progress=t')).toEqual(['--progress=tty']);
    expect(await valuesOf('build', '--pull=nev')).toEqual(['--pull=never']);
    expect(await valuesOf('build', '--target', 'b')).toEqual(['build', 'base']);
    expect(await valuesOf('build', '-f', 'other', '--target', '')).toEqual(['test']);
    expect(await valuesOf('build', '-qt', 'deb')).toEqual(['debian:12']);
  });

  it('leaves files and directories to the shell', async () => {
    expect((await complete('build', '')).files).toBe('directories');
    expect((await complete('build', '-f', '')).files).toBe('files');
    expect((await complete('build', '--no-cache', '')).files).toBe('directories');
    expect((await complete('build', '--pull', '')).files).toBe('directories');
    expect((await complete('build', '--', '-')).files).toBe('directories');
    expect((await complete('import', '')).files).toBe('files');
  });

  it('offers images where a command takes one', async () => {
    expect(await valuesOf('push', 'app')).toEqual(['app:1.0', 'app:2.0']);
    expect(await valuesOf('login', '')).toEqual([]);
  });
});
