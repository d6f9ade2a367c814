/**
 * A path inside an image, a layer or a context as exact bytes: every character stands for one byte (Node's `latin1`).
 * Relative to the root, components joined by `/`, no leading or trailing slash, no empty, `.` or `..` component; the root
 * itself is the empty string. For ASCII it reads like the path; file names of any encoding survive the round trip.
 */
export type BytePath = string & { readonly __bytePath?: never };

/** Bytes of a `BytePath`, for Node's file system functions and for tar headers. */
export function bytesOfPath(path: BytePath): Buffer {
  return Buffer.from(path, 'latin1');
}

/** The `BytePath` of a text, which is encoded as UTF-8. */
export function bytePathOf(text: string): BytePath {
  return Buffer.from(text, 'utf8').toString('latin1');
}

/** A `BytePath` as text, for people and for patterns. Bytes that are not UTF-8 become U+FFFD. */
export function textOfPath(path: BytePath): string {
  return Buffer.from(path, 'latin1').toString('utf8');
}

/** Cleans a slash-separated path lexically: anchored at the root, `.` and empty parts dropped, `..` never above the root. */
export function cleanPath(path: BytePath): BytePath {
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '' || part === '.') continue;
    if (part === '..') parts.pop();
    else parts.push(part);
  }
  return parts.join('/');
}

/** Joins and cleans: an absolute `path` (leading slash) replaces `base`. */
export function joinPath(base: BytePath, path: BytePath): BytePath {
  return cleanPath(path.startsWith('/') ? path : `${base}/${path}`);
}

/** The parent of a path; the root is its own parent. */
export function parentOf(path: BytePath): BytePath {
  const slash = path.lastIndexOf('/');
  return slash < 0 ? '' : path.slice(0, slash);
}

/** The last component; empty for the root. */
export function baseNameOf(path: BytePath): BytePath {
  return path.slice(path.lastIndexOf('/') + 1);
}
