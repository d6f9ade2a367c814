import { BuildError, type ErrorCode } from '../../core/index.ts';
import type { BuildahExit } from './run-buildah.ts';

/** What a call was about, for messages. */
export interface CallSubject {
  /** Such as `pull docker.io/library/busybox:latest`. */
  readonly action: string;
  /** The registry that it asks. */
  readonly registry?: string;
  /** Where the credentials for it came from. */
  readonly credentialSource?: string;
}

const TAIL_LINES = 20;

interface FailurePattern {
  readonly pattern: RegExp;
  readonly code: Exclude<ErrorCode, 'REGISTRY_UNAUTHORIZED'>;
  readonly hint?: string;
}

const UNAUTHORIZED = /unauthorized|authentication required|invalid username\/password|no basic auth credentials/i;

/** The first that matches decides. Texts are those of containers/image and containers/storage. */
const FAILURES: readonly FailurePattern[] = [
  {
    pattern: /no space left on device|disk quota exceeded/i,
    code: 'STORE_FULL',
    hint: 'Free space where buildah keeps its images.',
  },
  {
    pattern: /toomanyrequests|too many requests|status 429/i,
    code: 'REGISTRY_RATE_LIMITED',
    hint: 'Wait, or sign in.',
  },
  {
    pattern: /access to the resource is denied|insufficient_scope|status 403|403 \(?Forbidden/i,
    code: 'REGISTRY_DENIED',
    hint: 'The account may not do that there.',
  },
  {
    pattern:
      /no image found in (image index|manifest list) for|choosing (an )?image from manifest list|does not match the expected platform/i,
    code: 'PLATFORM_NOT_FOUND',
  },
  {
    pattern:
      /manifest unknown|name unknown|repository name not known|image not known|no such image|could not find image|no image found|locating image|unknown manifest|Requested image not found|status 404/i,
    code: 'IMAGE_NOT_FOUND',
  },
  {
    pattern:
      /connection refused|no such host|i\/o timeout|network is unreachable|TLS handshake|x509:|server gave HTTP response|status 5\d\d|connection reset|unexpected EOF|pinging container registry/i,
    code: 'REGISTRY_UNAVAILABLE',
  },
];

/** The error of a call of buildah that failed. */
export function buildahFailed(subject: CallSubject, exit: BuildahExit): BuildError {
  const lines = exit.stderr.split('\n').filter((line) => line.trim() !== '');
  const said = reasonOf(lines);
  const message = `buildah could not ${subject.action}: ${said || `it ended with ${exit.exitCode}`}.`;
  const cause = new Error(lines.slice(-TAIL_LINES).join('\n'));
  if (UNAUTHORIZED.test(said)) {
    const registry = subject.registry ?? 'the registry';
    return new BuildError('REGISTRY_UNAUTHORIZED', message, {
      facts: { registry, credentialSource: subject.credentialSource ?? 'none' },
      hint: `Sign in with \`zlayer login ${registry}\`.`,
      cause,
    });
  }
  const known = FAILURES.find(({ pattern }) => pattern.test(said));
  const hint = known === undefined ? lines.slice(-TAIL_LINES).join('\n') : known.hint;
  return new BuildError(known?.code ?? 'BACKEND_FAILED', message, { ...(hint ? { hint } : {}), cause });
}

/** What buildah says at the end, without the words that say that it is an error. */
function reasonOf(lines: readonly string[]): string {
  const line = lines.findLast((each) => each.startsWith('Error: ')) ?? lines.at(-1) ?? '';
  return line.replace(/^Error: /, '').replace(/\.$/, '');
}
