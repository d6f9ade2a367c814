import { COMMANDS } from '../command-table.ts';
import { formatCliPage } from './cli-page.ts';
import { formatErrorsPage } from './errors-page.ts';

/** The generated pages by file name below docs/. */
export async function formatPages(): Promise<Readonly<Record<string, string>>> {
  const commands = await Promise.all(COMMANDS.map(({ load }) => load()));
  return { 'cli.md': formatCliPage(commands), 'errors.md': formatErrorsPage() };
}
