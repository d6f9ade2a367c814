/** Records of a PAX extended header by keyword; values are bytes (`latin1` strings). */
export type PaxRecords = ReadonlyMap<string, string>;

/** One record, `<length> <keyword>=<value>\n`, as a `latin1` string; the length counts its own digits (POSIX, pax). */
export function formatPaxRecord(keyword: string, value: string): string {
  const rest = keyword.length + value.length + 3;
  let length = rest + String(rest).length;
  if (rest + String(length).length !== length) length = rest + String(length).length;
  return `${length} ${keyword}=${value}\n`;
}

/**
 * Reads the body of an extended header. Returns pairs in their order, since sparse maps repeat keywords; undefined when
 * the body is malformed.
 */
export function parsePaxRecords(body: Buffer): ReadonlyArray<readonly [keyword: string, value: string]> | undefined {
  const pairs: [string, string][] = [];
  let at = 0;
  while (at < body.length && body[at] !== 0) {
    const space = body.indexOf(0x20, at);
    if (space < 0 || space - at > 10) return undefined;
    const digits = body.toString('latin1', at, space);
    const end = at + Number(digits);
    if (!/^\d+$/.test(digits) || end > body.length || end <= space + 1 || body[end - 1] !== 0x0a) return undefined;
    const equals = body.indexOf(0x3d, space);
    if (equals < 0 || equals >= end) return undefined;
    pairs.push([body.toString('latin1', space + 1, equals), body.toString('latin1', equals + 1, end - 1)]);
    at = end;
  }
  return pairs;
}
