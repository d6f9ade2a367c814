import type { BlobId, BlobSource, Digest, Reference, RunContext } from '../core/index.ts';
import type { Descriptor } from '../oci/index.ts';
import type { Timing } from './retry.ts';
import type { Timeouts } from './transport.ts';

/** Credentials for one registry. An identity token is exchanged for access tokens (OAuth2 refresh grant). */
export type Credentials =
  | { readonly kind: 'basic'; readonly username: string; readonly password: string }
  | { readonly kind: 'identity-token'; readonly token: string; readonly username?: string }
  | { readonly kind: 'bearer'; readonly token: string }
  | { readonly kind: 'anonymous' };

/** Finds credentials. `source` says where they came from (a file's path, a helper's name), for error messages. */
export interface CredentialProvider {
  /** `registry` is a host as in a reference; `repository` lets longer keys win. */
  resolve(target: {
    readonly registry: string;
    readonly repository: string;
  }): Promise<{ readonly credentials: Credentials; readonly source: string }>;
}

/** A copy of a registry, asked before the registry itself. */
export interface RegistryMirror {
  /** `[http[s]://]host[:port][/path]`; the repository's name is put below the path. */
  readonly url: string;
  readonly insecure?: boolean;
  /** Pulls that may go there; default `all`. */
  readonly pullFrom?: 'all' | 'digest-only' | 'tag-only';
}

/** How one registry, or a part of it, is reached. */
export interface RegistryHostOptions {
  /** Plain HTTP, or HTTPS without verification, are allowed. Loopback hosts always may use HTTP. */
  readonly insecure?: boolean;
  /** Mirrors or their base URLs, tried first for pulls, in order; the registry itself comes last. */
  readonly mirrors?: ReadonlyArray<string | RegistryMirror>;
  /** `host[/path]` that stands in for the key, for pulls and pushes. */
  readonly location?: string;
  /** Nothing may be pulled or pushed. */
  readonly blocked?: boolean;
  /** PEM texts. */
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

export interface RegistryClientOptions {
  readonly credentials: CredentialProvider;
  /**
   * By registry host, `host/path`, or `*.domain`; the longest key decides about mirrors, location and blocking, the host
   * alone about TLS. Missing hosts get the defaults. `loadRegistryHosts` reads them from the usual files.
   */
  readonly hosts?: Readonly<Record<string, RegistryHostOptions>>;
  /** Blobs moved at once; default 4. */
  readonly parallelTransfers?: number;
  /** Attempts of one request before it fails; default 5, with exponential backoff and jitter. */
  readonly maxAttempts?: number;
  readonly timeouts?: Partial<Timeouts>;
  /** Proxies (`HTTP_PROXY`, `HTTPS_PROXY`, `NO_PROXY`) and `SSL_CERT_FILE`; default `process.env`. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Clock and sleep, for tests. */
  readonly timing?: Timing;
}

/** A manifest or an index exactly as the registry sent it. */
export interface FetchedManifest {
  readonly descriptor: Descriptor;
  readonly bytes: Buffer;
}

/**
 * The OCI distribution protocol. Everything fetched is verified against its digest. Errors: `IMAGE_NOT_FOUND`,
 * `REGISTRY_UNAUTHORIZED`, `REGISTRY_DENIED`, `REGISTRY_UNAVAILABLE`, `REGISTRY_RATE_LIMITED`, `REGISTRY_PROTOCOL`,
 * `BLOB_DIGEST_MISMATCH`.
 */
export interface RegistryClient {
  /** The manifest or index behind a tag or a digest. */
  fetchManifest(reference: Reference, context: RunContext): Promise<FetchedManifest>;
  /** Digest and type only (HEAD, or GET where HEAD is refused). */
  resolve(reference: Reference, context: RunContext): Promise<Descriptor>;
  /** Digest and type as the registry itself has it, no mirror; undefined when it does not. For those who push there. */
  findManifest(reference: Reference, context: RunContext): Promise<Descriptor | undefined>;
  /**
   * Streams a blob, resuming after a lost connection. The last chunk is only given out after the digest was right; the rest
   * of a blob, from `offset` on, is for those who verify the whole.
   */
  fetchBlob(
    reference: Reference,
    blob: BlobId & { readonly offset?: number },
    context: RunContext,
  ): AsyncIterable<Uint8Array>;
  hasBlob(reference: Reference, blob: BlobId, context: RunContext): Promise<boolean>;
  /**
   * Makes a blob present: skipped when it is there, mounted from `mountFrom` (a repository of the same registry) where the
   * registry allows it, else uploaded, resuming where possible.
   */
  pushBlob(
    reference: Reference,
    blob: BlobId,
    open: BlobSource['open'],
    options: { readonly mountFrom?: readonly string[] },
    context: RunContext,
  ): Promise<'existed' | 'mounted' | 'uploaded'>;
  /**
   * Puts a manifest under the reference's tag, or under its digest when it has no tag. One with a subject is also put on the
   * list of its referrers where the registry keeps none itself.
   */
  pushManifest(reference: Reference, manifest: FetchedManifest, context: RunContext): Promise<void>;
  /** The manifests that name a document of the registry as their subject: signatures, attestations. */
  listReferrers(
    reference: Reference & { readonly digest: Digest },
    context: RunContext,
  ): Promise<readonly Descriptor[]>;
  /** @throws BuildError `UNSUPPORTED` where the registry keeps the list to itself. */
  listRepositories(registry: string, context: RunContext): Promise<readonly string[]>;
  listTags(reference: Reference, context: RunContext): Promise<readonly string[]>;
  deleteManifest(reference: Reference, context: RunContext): Promise<void>;
  /** Checks credentials against the registry's `/v2/`; for `login`. */
  ping(registry: string, context: RunContext): Promise<void>;
  close(): Promise<void>;
}

/** What a pull stored: `root` is the manifest or index as resolved, `manifest` the one for the wanted platform. */
export interface PulledImage {
  readonly root: Descriptor;
  readonly manifest: Descriptor;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
}
