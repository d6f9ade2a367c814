/** A git source in docker's forms: `https://host/repo.git#ref:subdir`, `git@host:path`, `ssh://`, `git://`, `?ref=…`. */
export interface GitSource {
  /** What git fetches from: without fragment and query keys. */
  readonly url: string;
  /** Branch, tag or commit. */
  readonly ref?: string;
  readonly subdir?: string;
  /** Commit that `ref` must be. */
  readonly checksum?: string;
  readonly keepGitDir?: boolean;
  readonly submodules?: boolean;
}

const SCP_FORM = /^[\w.-]+@[\w.-]+:(?!\/\/)/;

/**
 * Reads a git URL; undefined for anything else, such as the URL of a file. An http(s) URL is a repository when its path
 * ends with `.git` (BuildKit's rule); `github.com/user/repo` without a scheme is one too.
 */
export function parseGitUrl(text: string): GitSource | undefined {
  if (SCP_FORM.test(text)) return withFragment(text);
  if (/^(git|ssh):\/\//i.test(text)) return withFragment(text);
  if (/^github\.com\/[^/]+\/[^/]+/i.test(text)) return withFragment(`https://${text}`);
  if (!/^https?:\/\//i.test(text) || !URL.canParse(text)) return undefined;
  return new URL(text).pathname.endsWith('.git') ? withFragment(text) : undefined;
}

function withFragment(text: string): GitSource {
  const hash = text.indexOf('#');
  const fragment = hash < 0 ? '' : text.slice(hash + 1);
  const address = hash < 0 ? text : text.slice(0, hash);
  const question = address.indexOf('?');
  const keys = new URLSearchParams(question < 0 ? '' : address.slice(question + 1));
  const colon = fragment.indexOf(':');
  const ref =
    keys.get('ref') ??
    keys.get('tag') ??
    keys.get('branch') ??
    keys.get('commit') ??
    (colon < 0 ? fragment : fragment.slice(0, colon));
  const subdir = keys.get('subdir') ?? (colon < 0 ? '' : fragment.slice(colon + 1));
  const checksum = keys.get('checksum') ?? keys.get('commit');
  return {
    url: question < 0 ? address : address.slice(0, question),
    ...(ref === '' ? {} : { ref }),
    ...(subdir === '' ? {} : { subdir }),
    ...(checksum === null ? {} : { checksum }),
    ...flag(keys, 'keep-git-dir', 'keepGitDir'),
    ...flag(keys, 'submodules', 'submodules'),
  };
}

function flag<K extends string>(keys: URLSearchParams, key: string, name: K): { [P in K]?: boolean } {
  const text = keys.get(key);
  return text === null ? {} : ({ [name]: text !== 'false' && text !== '0' } as { [P in K]?: boolean });
}
