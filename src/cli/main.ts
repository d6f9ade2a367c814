import { VERSION } from './version.ts';

/** The program: reads `process.argv`, sets the exit status. Loads nothing for `--version`. */
async function main(): Promise<void> {
  const args = process.argv.slice(2);
  if (args.length === 1 && (args[0] === '--version' || args[0] === '-v')) {
    process.stdout.write(`zlayer ${VERSION}\n`);
    return;
  }
  const { runProcess } = await import('./run-process.ts');
  await runProcess(args);
}

void main();
