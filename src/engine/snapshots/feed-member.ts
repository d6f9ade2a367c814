import type { Entry, TarEntry } from '../../archive/index.ts';
import type { TarFeed } from './tar-process.ts';

/** Writes an entry with the content that a member of another archive brings, without holding it in memory. */
export async function feedMember(
  { entry, member }: { readonly entry: Entry; readonly member?: TarEntry },
  { writer, drained }: TarFeed,
): Promise<void> {
  if (entry.type !== 'file' || member === undefined) {
    writer.add({ entry });
    return;
  }
  writer.begin(entry);
  const whole = member.takeBuffered();
  if (whole !== undefined) writer.append(whole);
  for await (const chunk of member.body) {
    writer.append(chunk);
    await drained();
  }
}
