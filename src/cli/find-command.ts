/** A command's name with the words that follow it. */
export interface FoundName<T extends string> {
  readonly name: T;
  readonly rest: readonly string[];
}

/** The command that a line of words begins with. A name may have two words, such as `dockerfile fmt`. */
export function findName<T extends string>(names: readonly T[], words: readonly string[]): FoundName<T> | undefined {
  for (const length of [2, 1]) {
    const line = words.slice(0, length).join(' ');
    const name = words.length < length ? undefined : names.find((known) => known === line);
    if (name !== undefined) return { name, rest: words.slice(length) };
  }
  return undefined;
}

/** The names that begin with a word and have another: those of a group. */
export function namesOfGroup<T extends string>(names: readonly T[], group: string): readonly T[] {
  return names.filter((name) => name.startsWith(`${group} `));
}
