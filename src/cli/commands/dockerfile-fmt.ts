import { writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { BuildError } from '../../core/index.ts';
import { formatDockerfile, parseDockerfile } from '../../dockerfile/index.ts';
import { defineCommand } from '../command.ts';
import { usage } from '../options/values.ts';
import { readDockerfile } from '../request/read-dockerfile.ts';

/** `zlayer dockerfile fmt` */
export const dockerfileFmtCommand = defineCommand({
  name: 'dockerfile fmt',
  summary: 'Print a Dockerfile in its normal form',
  details: [
    'Keywords in capitals, one blank between words, the JSON form as ["a", "b"], no blanks at line ends. Comments, continued lines and heredocs keep their layout. FILE is by default Dockerfile, else Containerfile, in the current directory; "-" is standard input.',
  ],
  positionals: { usage: '[FILE]', min: 0, max: 1, complete: 'file' },
  options: {
    check: { kind: 'boolean', help: 'Print nothing; the exit status is 1 when the file is not in its normal form' },
    write: { kind: 'boolean', short: 'w', help: 'Write the file instead of printing it' },
  },
  examples: [
    { text: 'Rewrite the Dockerfile here', line: 'zlayer dockerfile fmt --write' },
    {
      text: 'Is a file in its normal form? For continuous integration',
      line: 'zlayer dockerfile fmt --check Dockerfile',
    },
  ],
  run: async (context, { values, positionals }) => {
    if (values.check && values.write) throw usage('--check and --write contradict each other.', 'Leave one out.');
    const { fileName, text } = await readDockerfile(context, positionals[0]);
    if (values.write && positionals[0] === '-') throw usage('--write needs a file, not standard input.');
    const formatted = formatDockerfile(parseDockerfile(text, { fileName }));
    if (values.check) {
      if (formatted === text) return 0;
      context.stderr.write(
        `${fileName} is not in its normal form. Write it with: zlayer dockerfile fmt --write ${fileName}\n`,
      );
      return 1;
    }
    if (!values.write) context.stdout.write(formatted);
    else if (formatted !== text) write(resolve(context.cwd, fileName), formatted);
    return 0;
  },
});

function write(path: string, text: string): void {
  try {
    writeFileSync(path, text);
  } catch (cause) {
    throw new BuildError('OUTPUT_FAILED', `${path} could not be written: ${(cause as Error).message}`, { cause });
  }
}
