import type { BuildBackend, ManifestMember } from '../../backends/index.ts';
import { BuildError, isDigest, type RunContext } from '../../core/index.ts';
import { defineCommand } from '../command.ts';
import { MEMBER_OPTIONS, printList, readMemberPlatform, withLists } from '../images/manifest-list.ts';
import { BACKEND_OPTION, DATA_DIR_OPTION, FORMAT_OPTION } from '../options/shared-options.ts';
import { parsePairs } from '../options/values.ts';

/** `zlayer manifest annotate` */
export const manifestAnnotateCommand = defineCommand({
  name: 'manifest annotate',
  summary: 'Change what a manifest list says of a member',
  positionals: { usage: 'LIST IMAGE|DIGEST', min: 2, max: 2, complete: 'image' },
  options: { ...MEMBER_OPTIONS, ...FORMAT_OPTION, ...BACKEND_OPTION, ...DATA_DIR_OPTION },
  examples: [
    { text: 'Name the variant', line: 'zlayer manifest annotate --arch arm --variant v7 app:1.0 app:1.0-arm' },
    {
      text: 'Annotate the entry',
      line: 'zlayer manifest annotate --annotation com.example.tier=edge app:1.0 app:1.0-arm64',
    },
  ],
  run: async (context, { values, positionals: [list, word] }) => {
    const given = parsePairs(values.annotation, '--annotation');
    const changed = await withLists(context, values, async (backend, inner) => {
      const member = await findMember(backend, { list: list!, word: word! }, inner);
      const platform = readMemberPlatform(values, member.platform);
      const annotations = { ...member.annotations, ...given };
      const options = { annotations, ...(platform === undefined ? {} : { platform }) };
      return backend.manifestAdd({ list: list!, image: member.digest, ...options }, inner);
    });
    printList(context, changed, values.format);
    return undefined;
  },
});

async function findMember(
  backend: BuildBackend,
  { list, word }: { readonly list: string; readonly word: string },
  context: RunContext,
): Promise<ManifestMember> {
  const { members } = await backend.manifestInspect(list, context);
  const digest = isDigest(word) ? word : (await backend.inspectImage(word, context)).digest;
  const member = members.find((each) => each.digest === digest);
  if (member !== undefined) return member;
  throw new BuildError('IMAGE_NOT_FOUND', `The manifest list "${list}" has no member ${word}.`, {
    hint: `See \`zlayer manifest inspect ${list}\`.`,
  });
}
