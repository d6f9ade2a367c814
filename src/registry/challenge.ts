/** One way in which a server asks for authorization (RFC 9110, 11.3). Scheme and parameter names are lower case. */
export interface Challenge {
  readonly scheme: string;
  readonly parameters: Readonly<Record<string, string>>;
}

const TOKEN = /[^\s,="]+/y;
const QUOTED = /"((?:[^"\\]|\\.)*)"/y;
const SEPARATORS = /[\s,]*/y;
const EQUALS = /[ \t]*=[ \t]*/y;
const REST_OF_TOKEN68 = /[^,]*/y;

/**
 * Reads the value of `WWW-Authenticate`: any number of challenges, each with any number of parameters. Never throws; what
 * cannot be read is passed over.
 */
export function parseChallenges(header: string): readonly Challenge[] {
  const challenges: Array<{ scheme: string; parameters: Record<string, string> }> = [];
  let position = 0;
  const take = (pattern: RegExp): RegExpExecArray | undefined => {
    pattern.lastIndex = position;
    const match = pattern.exec(header);
    if (match !== null) position = pattern.lastIndex;
    return match ?? undefined;
  };
  while (position < header.length) {
    take(SEPARATORS);
    const name = take(TOKEN)?.[0].toLowerCase();
    if (name === undefined) {
      position += 1;
      continue;
    }
    if (take(EQUALS) === undefined) {
      challenges.push({ scheme: name, parameters: {} });
      continue;
    }
    const quoted = take(QUOTED)?.[1]?.replace(/\\(.)/g, '$1');
    const value = quoted ?? take(TOKEN)?.[0];
    const current = challenges.at(-1);
    if (value === undefined) take(REST_OF_TOKEN68);
    else if (current !== undefined) current.parameters[name] = value;
  }
  return challenges;
}
