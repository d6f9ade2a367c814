import { COMMANDS } from '../command-table.ts';
import { formatCliPage } from './cli-page.ts';
import { formatErrorsPage } from './errors-page.ts';

/** The generated pages by file name below docs/. */
export function formatPages(): Readonly<Record<string, string>> {
  return { 'cli.md': formatCliPage(COMMANDS), 'errors.md': formatErrorsPage() };
}
