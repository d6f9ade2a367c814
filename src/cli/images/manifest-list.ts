import type { BuildBackend, ManifestList } from '../../backends/index.ts';
import { formatPlatform, type Platform, parsePlatform, platformOfHost, type RunContext } from '../../core/index.ts';
import type { CommandContext } from '../command.ts';
import type { OptionTable } from '../options/option-table.ts';
import { readBackend } from '../options/read-backend.ts';
import { familiarName } from '../report/format-result.ts';
import { formatJson, formatTable } from '../report/format-table.ts';
import { formatSize } from '../terminal/units.ts';
import type { ImagesOptions } from './with-images.ts';

/** What a member of a list is for. */
export const MEMBER_OPTIONS = {
  platform: {
    kind: 'text',
    placeholder: 'OS/ARCH',
    help: 'What the image is for',
    defaultText: 'what its config says',
  },
  os: { kind: 'text', placeholder: 'OS', help: 'Operating system alone, such as linux' },
  arch: { kind: 'text', placeholder: 'ARCH', help: 'Architecture alone, such as arm64' },
  variant: { kind: 'text', placeholder: 'VARIANT', help: 'Variant of the architecture, such as v7' },
  annotation: { kind: 'list', placeholder: 'NAME=VALUE', help: "Annotation of the list's entry" },
} as const satisfies OptionTable;

interface PlatformValues {
  readonly platform: string | undefined;
  readonly os: string | undefined;
  readonly arch: string | undefined;
  readonly variant: string | undefined;
}

/** The platform that the options give, over one that is known; undefined when nothing tells it. @throws BuildError `USAGE` */
export function readMemberPlatform(values: PlatformValues, known?: Platform): string | undefined {
  if ([values.platform, values.os, values.arch, values.variant].every((value) => value === undefined)) {
    return known === undefined ? undefined : formatPlatform(known);
  }
  const host = platformOfHost('linux', process.arch);
  const { os, architecture, variant } =
    values.platform === undefined ? (known ?? { ...host, variant: undefined }) : parsePlatform(values.platform, host);
  const ownVariant = values.variant ?? (values.arch === undefined ? variant : undefined);
  const parts = [values.os ?? os, values.arch ?? architecture, ...(ownVariant === undefined ? [] : [ownVariant])];
  return formatPlatform(parsePlatform(parts.join('/'), host));
}

/** Works with the backend whose manifest lists are meant. */
export async function withLists<T>(
  { services, signal }: CommandContext,
  options: ImagesOptions,
  work: (backend: BuildBackend, context: RunContext) => Promise<T>,
): Promise<T> {
  const use = { backend: await readBackend(options.backend), dataDir: options['data-dir'] };
  return services.withBackend(use, { signal, onEvent: () => undefined }, work);
}

/** Prints a list: a line for each member, or everything as JSON. */
export function printList({ stdout }: CommandContext, list: ManifestList, format: string | undefined): void {
  if (format === 'json') {
    const members = list.members.map((member) => ({ ...member, platform: platformText(member.platform) }));
    stdout.write(formatJson({ ...list, members }));
    return;
  }
  stdout.write(`${familiarName(list.reference)}: ${list.digest}\n`);
  if (list.members.length === 0) return;
  const rows = list.members.map(({ platform, digest, mediaType, sizeBytes }) => [
    platformText(platform) ?? '-',
    digest,
    formatSize(sizeBytes),
    mediaType,
  ]);
  stdout.write(formatTable(['PLATFORM', 'DIGEST', 'SIZE', 'TYPE'], rows));
}

function platformText(platform: Platform | undefined): string | null {
  return platform === undefined ? null : formatPlatform(platform);
}
