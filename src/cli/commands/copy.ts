import { writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { CopiedImage, CopyInput } from '../../backends/index.ts';
import { BuildError } from '../../core/index.ts';
import { type CommandContext, defineCommand } from '../command.ts';
import { withProgress } from '../images/move-image.ts';
import { DATA_DIR_OPTION, PROGRESS_OPTION } from '../options/shared-options.ts';
import { usage } from '../options/values.ts';

const TLS_VERIFY = {
  kind: 'refused',
  takesValue: true,
  accepts: ['true'],
  help: 'a registry without TLS is marked as insecure in registries.conf; those of this host need nothing',
} as const;

/** `zlayer copy` */
export const copyCommand = defineCommand({
  name: 'copy',
  summary: 'Copy an image between registries, the store, OCI layouts and archives',
  details: [
    'SRC and DST are a name or docker://NAME for a registry, store:NAME for the local store, oci:DIRECTORY[:NAME] for an OCI image layout, oci-archive:FILE[:NAME] or docker-archive:FILE[:NAME] for a tar (- is standard input or output).',
    'The copy is the same byte for byte and has the same digest; an index goes with all its platforms. What the destination has already is not sent. Nothing is compressed: layers of a built image lie uncompressed in the store, and `zlayer push` is what compresses them.',
  ],
  positionals: { usage: 'SRC DST', min: 2, max: 2, complete: 'image' },
  options: {
    platform: {
      kind: 'text',
      placeholder: 'OS/ARCH',
      help: 'Copy the image of one platform of an index',
      defaultText: 'all',
    },
    referrers: {
      kind: 'boolean',
      help: 'Also copy the signatures and attestations that refer to the image, from registry to registry',
    },
    'src-creds': { kind: 'text', placeholder: 'USER[:PASSWORD]', help: 'Sign-in to the registry of SRC' },
    'dest-creds': { kind: 'text', placeholder: 'USER[:PASSWORD]', help: 'Sign-in to the registry of DST' },
    digestfile: { kind: 'text', placeholder: 'FILE', help: 'Write the digest into a file', complete: 'file' },
    quiet: { kind: 'boolean', short: 'q', help: 'Print nothing but the digest' },
    all: { kind: 'refused', short: 'a', takesValue: false, accepts: ['true'], help: 'choose with --platform' },
    'preserve-digests': { kind: 'refused', takesValue: false, accepts: ['true'], help: 'digests always stay' },
    format: { kind: 'refused', short: 'f', takesValue: true, help: 'a copy is what its source is' },
    'src-tls-verify': TLS_VERIFY,
    'dest-tls-verify': TLS_VERIFY,
    ...PROGRESS_OPTION,
    ...DATA_DIR_OPTION,
  },
  examples: [
    { text: 'From one registry to another, all platforms', line: 'zlayer copy debian:12 ghcr.io/team/debian:12' },
    { text: 'Into a directory', line: 'zlayer copy docker://alpine:3.20 oci:mirror:3.20' },
    {
      text: 'What skopeo or CI wrote, to a registry',
      line: 'zlayer copy oci-archive:app.tar docker://ghcr.io/team/app:1.0',
    },
  ],
  run: async (context, { values, positionals }) => {
    const [source = '', destination = ''] = positionals;
    const toStdout = /^(oci|docker)-archive:-(:|$)/.test(destination);
    if (toStdout && context.stdout.isTerminal) {
      throw usage('The archive would go to a terminal.', 'Redirect standard output, or name a file.');
    }
    const input: CopyInput = {
      source,
      destination,
      platform: values.platform,
      referrers: values.referrers,
      sourceCredentials: parseCredentials('--src-creds', values['src-creds']),
      destinationCredentials: parseCredentials('--dest-creds', values['dest-creds']),
      dataDir: values['data-dir'],
    };
    const copied = await withProgress(context, values, (observed) => context.services.copy(input, observed));
    report(context, copied, { destination, quiet: values.quiet, toStdout });
    if (values.digestfile !== undefined) writeDigest(context, values.digestfile, copied);
    return undefined;
  },
});

function parseCredentials(option: string, text: string | undefined): CopyInput['sourceCredentials'] {
  if (text === undefined) return undefined;
  const colon = text.indexOf(':');
  const username = colon < 0 ? text : text.slice(0, colon);
  if (username === '') throw usage(`${option} names no user.`, 'Write USER:PASSWORD, or use `zlayer login`.');
  return { kind: 'basic', username, password: colon < 0 ? '' : text.slice(colon + 1) };
}

function report(
  { stdout, stderr }: CommandContext,
  { descriptor: { digest }, sent, existed, mounted, referrers }: CopiedImage,
  how: { readonly destination: string; readonly quiet: boolean; readonly toStdout: boolean },
): void {
  const out = how.toStdout ? stderr : stdout;
  out.write(how.quiet ? `${digest}\n` : `${how.destination}: ${digest}\n`);
  if (how.quiet) return;
  const parts = [
    `${sent} sent`,
    `${existed} there already`,
    ...(mounted === 0 ? [] : [`${mounted} mounted`]),
    ...(referrers === 0 ? [] : [`${referrers} referrers`]),
  ];
  stderr.write(`${parts.join(', ')}\n`);
}

function writeDigest({ cwd }: CommandContext, file: string, { descriptor }: CopiedImage): void {
  try {
    writeFileSync(resolve(cwd, file), `${descriptor.digest}\n`);
  } catch (cause) {
    throw new BuildError('OUTPUT_FAILED', `The digest could not be written: ${(cause as Error).message}`, { cause });
  }
}
