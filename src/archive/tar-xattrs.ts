const SCHILY = 'SCHILY.xattr.';
const LIBARCHIVE = 'LIBARCHIVE.xattr.';

/** Extended attributes in PAX records: star's form, which GNU tar and Go write, and libarchive's own. */
export function xattrsOfRecords(records: ReadonlyMap<string, string>): ReadonlyMap<string, Uint8Array> | undefined {
  let xattrs: Map<string, Uint8Array> | undefined;
  for (const [keyword, value] of records) {
    if (keyword.startsWith(LIBARCHIVE)) {
      const name = decodeURIComponentSafely(keyword.slice(LIBARCHIVE.length));
      xattrs ??= new Map();
      if (!xattrs.has(name)) xattrs.set(name, Uint8Array.from(Buffer.from(value, 'base64')));
    } else if (keyword.startsWith(SCHILY)) {
      const name = Buffer.from(keyword.slice(SCHILY.length), 'latin1').toString('utf8');
      xattrs ??= new Map();
      xattrs.set(name, Uint8Array.from(Buffer.from(value, 'latin1')));
    }
  }
  return xattrs;
}

function decodeURIComponentSafely(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
