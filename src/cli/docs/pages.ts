import { knownCapabilities, selectionMatrix } from '../../backends/index.ts';
import { loadCommands } from '../command-table.ts';
import { formatBackendsPage } from './backends-page.ts';
import { formatCliPage } from './cli-page.ts';
import { formatErrorsPage } from './errors-page.ts';

/** The generated pages by file name below docs/. */
export async function formatPages(): Promise<Readonly<Record<string, string>>> {
  const [capabilities, matrix] = await Promise.all([knownCapabilities(), selectionMatrix()]);
  return {
    'backends.md': formatBackendsPage({ capabilities, matrix }),
    'cli.md': formatCliPage(await loadCommands()),
    'errors.md': formatErrorsPage(),
  };
}
