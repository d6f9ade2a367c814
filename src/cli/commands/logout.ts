import { defineCommand } from '../command.ts';
import { registryOf } from './login.ts';

/** `zlayer logout` */
export const logoutCommand = defineCommand({
  name: 'logout',
  summary: 'Forget a sign-in to a registry',
  positionals: { usage: '[REGISTRY]', min: 0, max: 1 },
  options: {},
  examples: [{ text: 'Forget one', line: 'zlayer logout registry.example.com' }],
  run: async ({ services, stderr }, { positionals }) => {
    const registry = registryOf(positionals[0]);
    const { removed, storedIn } = await services.logout(registry);
    stderr.write(
      removed ? `The sign-in to ${registry} was removed from ${storedIn}.\n` : `There is no sign-in to ${registry}.\n`,
    );
    return undefined;
  },
});
