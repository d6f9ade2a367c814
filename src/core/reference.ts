import { type Digest, isDigest } from './digest.ts';
import { BuildError } from './errors.ts';

/** An image reference in full: no part is implied. At least one of `tag` and `digest` is set; a digest decides. */
export interface Reference {
  /** Host and optional port, such as `docker.io` or `localhost:5000`. */
  readonly registry: string;
  /** Path below the registry, such as `library/busybox`. */
  readonly repository: string;
  readonly tag?: string;
  readonly digest?: Digest;
}

const DOMAIN =
  /^(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*|\[[0-9a-fA-F:]+\])(?::\d+)?$/;
const REPOSITORY = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const TAG = /^\w[\w.-]{0,127}$/;

/**
 * Reads a reference in docker's shorthand: `busybox` is `docker.io/library/busybox:latest`.
 *
 * @throws BuildError `REFERENCE_INVALID` with the part that is wrong.
 */
export function parseReference(text: string): Reference {
  const at = text.indexOf('@');
  const digest = at < 0 ? undefined : text.slice(at + 1);
  if (digest !== undefined && !isDigest(digest)) throw invalid(text, `"${digest}" is not a digest`);
  const named = at < 0 ? text : text.slice(0, at);
  const colon = named.lastIndexOf(':');
  const hasTag = colon > named.lastIndexOf('/');
  const tag = hasTag ? named.slice(colon + 1) : undefined;
  if (tag !== undefined && !TAG.test(tag)) throw invalid(text, `"${tag}" is not a tag`);
  const { registry, repository } = splitName(hasTag ? named.slice(0, colon) : named);
  if (!DOMAIN.test(registry)) throw invalid(text, `"${registry}" is not a registry host`);
  if (!REPOSITORY.test(repository)) {
    throw invalid(
      text,
      /[A-Z]/.test(repository)
        ? `the repository name "${repository}" must be lower case`
        : `"${repository}" is not a repository name`,
    );
  }
  return {
    registry,
    repository,
    ...(tag === undefined ? (digest === undefined ? { tag: 'latest' } : {}) : { tag }),
    ...(digest === undefined ? {} : { digest }),
  };
}

function splitName(name: string): { registry: string; repository: string } {
  const slash = name.indexOf('/');
  const first = slash < 0 ? '' : name.slice(0, slash);
  const isHost = first !== '' && (/[.:]/.test(first) || first === 'localhost' || first !== first.toLowerCase());
  const registry = isHost ? first : 'docker.io';
  const path = isHost ? name.slice(slash + 1) : name;
  const normalized = registry === 'index.docker.io' ? 'docker.io' : registry;
  const repository = normalized === 'docker.io' && !path.includes('/') ? `library/${path}` : path;
  return { registry: normalized, repository };
}

function invalid(text: string, why: string): BuildError {
  return new BuildError('REFERENCE_INVALID', `"${text}" is not an image reference: ${why}.`, {
    hint: 'Write it as [registry/]repository[:tag][@digest], such as ghcr.io/me/app:1.0.',
  });
}

/** The full text form, `registry/repository[:tag][@digest]`: the key under which the store keeps an image. */
export function formatReference(reference: Reference): string {
  const { registry, repository, tag, digest } = reference;
  return `${registry}/${repository}${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : `@${digest}`}`;
}

/** The short form that people write: without `docker.io/` and `library/`. */
export function familiarReference(reference: Reference): string {
  return formatReference(reference).replace(/^docker\.io\/(library\/)?/, '');
}
