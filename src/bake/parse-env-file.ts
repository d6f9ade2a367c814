const LINE =
  /^[ \t]*(?:export[ \t]+)?([A-Za-z_][\w.-]*)[ \t]*(?:=[ \t]*(?:'([^']*)'|"((?:[^"\\]|\\[\s\S])*)"|((?:[^\n#]|(?<=\S)#)*)))?/gm;

/** Variables of a `.env` file: `NAME=value`, quoted values over several lines, comments. Values are not interpolated. */
export function parseEnvFile(text: string): Readonly<Record<string, string>> {
  const variables: Record<string, string> = {};
  for (const [, name = '', single, double, bare] of text.replaceAll('\r\n', '\n').matchAll(LINE)) {
    const escaped = double?.replace(/\\([nrt"\\$])/g, (_, letter: string) => ESCAPES[letter] ?? letter);
    variables[name] = single ?? escaped ?? (bare ?? '').trim();
  }
  return variables;
}

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t' };
