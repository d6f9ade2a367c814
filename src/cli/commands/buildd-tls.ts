import type { ClientIdentity } from '../../buildd/index.ts';
import { type CommandContext, defineCommand } from '../command.ts';
import { FORMAT_OPTION } from '../options/shared-options.ts';
import { usage } from '../options/values.ts';
import { formatJson, formatTable } from '../report/format-table.ts';

/** `zlayer buildd tls` */
export const builddTlsCommand = defineCommand({
  name: 'buildd tls',
  summary: 'Make, list and revoke the certificates of clients on other machines',
  details: [
    'Run it on the host of the daemon. `create NAME` writes a folder with ca.pem, cert.pem and key.pem; copy it to the client, and let ZLAYER_BUILDD_TLS_DIR name it there.',
    'Without an argument it lists the clients. `revoke NAME` refuses a client from now on; a running daemon notices at once.',
  ],
  positionals: { usage: '[create NAME | revoke NAME | list]', min: 0, max: 2, complete: 'none' },
  options: {
    'tls-dir': {
      kind: 'text',
      placeholder: 'DIR',
      defaultText: 'buildd in the data directory',
      complete: 'directory',
      help: "Use the daemon's certificates of this directory",
    },
    days: { kind: 'count', placeholder: 'N', defaultText: '365', help: 'Let a new certificate hold for so long' },
    ...FORMAT_OPTION,
  },
  examples: [
    { text: 'A certificate for another machine', line: 'zlayer buildd tls create laptop' },
    { text: 'Who has one, and until when?', line: 'zlayer buildd tls list' },
  ],
  run: async (context, { values, positionals }) => {
    const buildd = await import('../../buildd/index.ts');
    const directory = values['tls-dir'] ?? buildd.defaultTlsDirectory(context.env);
    const [verb = 'list', name] = positionals;
    const isJson = values.format === 'json';
    if (verb === 'list' && name === undefined) showAll(context, buildd.listIdentities(directory), isJson);
    else if (verb === 'create' && name !== undefined) {
      const { days } = values;
      const made = await buildd.createClientIdentity(directory, name, days === undefined ? {} : { days });
      context.stdout.write(isJson ? formatJson(made) : `${made.directory}\n`);
    } else if (verb === 'revoke' && name !== undefined) {
      const revoked = await buildd.revokeIdentity(directory, name);
      context.stdout.write(isJson ? formatJson(revoked) : `Revoked ${revoked.name} (${revoked.serialNumber}).\n`);
    } else {
      throw usage('"zlayer buildd tls" takes create NAME, revoke NAME, or list.');
    }
    return undefined;
  },
});

function showAll({ stdout, now }: CommandContext, identities: readonly ClientIdentity[], isJson: boolean): void {
  if (isJson) {
    stdout.write(formatJson(identities));
    return;
  }
  const rows = identities.map(({ name, serialNumber, validUntilMs, directory }) => [
    name,
    validUntilMs < now() ? 'expired' : new Date(validUntilMs).toISOString().slice(0, 10),
    serialNumber,
    directory,
  ]);
  stdout.write(formatTable(['NAME', 'VALID UNTIL', 'SERIAL NUMBER', 'FOLDER'], rows));
}
