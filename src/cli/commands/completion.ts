import { defineCommand } from '../command.ts';
import { SCRIPTS, type Shell } from '../completion/scripts.ts';
import { nearestName } from '../options/nearest-name.ts';
import { usage } from '../options/values.ts';

const SHELLS = Object.keys(SCRIPTS) as readonly Shell[];

/** `zlayer completion` */
export const completionCommand = defineCommand({
  name: 'completion',
  summary: 'Print a completion script for a shell',
  positionals: { usage: 'bash|zsh|fish', min: 1, max: 1 },
  options: {},
  examples: [
    { text: 'bash: in ~/.bashrc', line: 'source <(zlayer completion bash)' },
    { text: 'zsh: in ~/.zshrc, after compinit', line: 'source <(zlayer completion zsh)' },
    { text: 'fish', line: 'zlayer completion fish > ~/.config/fish/completions/zlayer.fish' },
  ],
  run: async ({ stdout }, { positionals: [name] }) => {
    const shell = SHELLS.find((known) => known === name);
    if (shell === undefined) {
      const nearest = nearestName(name!, SHELLS);
      throw usage(
        `There is no completion for "${name}".`,
        `${nearest === undefined ? '' : `Did you mean ${nearest}? `}It is one of: ${SHELLS.join(', ')}.`,
      );
    }
    stdout.write(SCRIPTS[shell]);
    return undefined;
  },
});
