import { BuildError } from './errors.ts';
import { nearestWord } from './nearest.ts';

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
 * ends with `.git` (BuildKit's rule); `github.com/user/repo` without a scheme is one too. Query keys: `ref`, `tag`, `branch`,
 * `commit`, `subdir`, `checksum`, `keep-git-dir`, `submodules`, `mtime`, `fetch-by-commit`.
 *
 * @throws BuildError `DOCKERFILE_INVALID` for a key that is none, that is given twice, or that contradicts another one.
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
  const behind =
    colon < 0 ? { ref: fragment, subdir: '' } : { ref: fragment.slice(0, colon), subdir: fragment.slice(colon + 1) };
  checkKeys(text, keys, behind);
  const ref = refOfKeys(keys) ?? behind.ref;
  const subdir = keys.get('subdir') ?? behind.subdir;
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

const KEYS = [
  ...['ref', 'tag', 'branch', 'commit', 'subdir', 'checksum'],
  ...['keep-git-dir', 'submodules', 'mtime', 'fetch-by-commit'],
];
/** Each of these names a commit, as does the part behind `#`. `commit` beside another one is what that must be. */
const REF_KEYS = ['ref', 'branch', 'tag'];
const BOOLEANS: Readonly<Record<string, boolean>> = { '': true, '1': true, true: true, '0': false, false: false };

/** Written out, a branch and a tag of one name are told apart. */
function refOfKeys(keys: URLSearchParams): string | undefined {
  const [ref = null, branch = null, tag = null] = REF_KEYS.map((key) => keys.get(key));
  if (ref !== null) return ref;
  if (branch !== null) return `refs/heads/${branch}`;
  return tag === null ? (keys.get('commit') ?? undefined) : `refs/tags/${tag}`;
}

function checkKeys(
  text: string,
  keys: URLSearchParams,
  behind: { readonly ref: string; readonly subdir: string },
): void {
  for (const key of new Set(keys.keys())) {
    if (!KEYS.includes(key)) {
      const nearest = nearestWord(key, KEYS);
      const hint = nearest === undefined ? `The keys are ${KEYS.join(', ')}.` : `The nearest key is ${nearest}.`;
      throw invalid(text, `"${key}" is no key of a git address`, hint);
    }
    if (keys.getAll(key).length > 1) throw invalid(text, `the key "${key}" is given twice`, 'Keep one.');
  }
  if (behind.ref !== '' && [...REF_KEYS, 'commit'].some((key) => keys.has(key))) {
    throw invalid(text, 'it names a ref both by a key and behind "#"', 'Keep one of them.');
  }
  if (behind.subdir !== '' && keys.has('subdir')) {
    throw invalid(text, 'it names a directory both by a key and behind "#"', 'Keep one of them.');
  }
  const refs = REF_KEYS.filter((key) => keys.has(key));
  if (refs.length > 1) throw invalid(text, `it has both ${refs.join(' and ')}`, 'Keep one of them.');
  const mtime = keys.get('mtime');
  if (mtime !== null && mtime !== 'commit') {
    throw invalid(text, `mtime=${mtime} is not supported`, 'Files always get the time of the commit: mtime=commit.');
  }
}

function flag<K extends string>(keys: URLSearchParams, key: string, name: K): { [P in K]?: boolean } {
  const text = keys.get(key);
  if (text === null) return {};
  const value = BOOLEANS[text.toLowerCase()];
  if (value === undefined)
    throw invalid(`?${key}=${text}`, `"${text}" is neither true nor false`, `Write ${key}=true.`);
  return { [name]: value } as { [P in K]?: boolean };
}

function invalid(text: string, why: string, hint: string): BuildError {
  const shown = text.replace(/\/\/[^@/]*@/, '//');
  return new BuildError('DOCKERFILE_INVALID', `"${shown}" cannot be fetched: ${why}.`, { hint });
}
