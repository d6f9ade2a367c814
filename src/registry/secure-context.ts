import { readFile } from 'node:fs/promises';
import type { SecureContext } from 'node:tls';

/** How a host's TLS is done. Two equal values share connections. */
export interface TlsOptions {
  /** Certificates are not verified. */
  readonly insecure: boolean;
  /** PEM texts, beside the system's authorities. */
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

/** Where distributions keep the authorities that their administrators trust. */
const SYSTEM_BUNDLES = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/ssl/cert.pem',
];

const CERTIFICATE = /-----BEGIN ((?:X509 |TRUSTED )?CERTIFICATE)-----[\s\S]*?-----END \1-----/g;

/**
 * The TLS settings of a host. Node trusts its own list of authorities only; other container tools trust the system's, where
 * companies add theirs. Both count here.
 */
export async function createSecureContext(
  tls: TlsOptions,
  env: Readonly<Record<string, string | undefined>>,
): Promise<SecureContext> {
  const node = await import('node:tls');
  // Without verification no authority is asked; an empty list spares Node its own, which take a while to be read.
  if (tls.insecure) return node.createSecureContext({ ca: [], cert: tls.cert, key: tls.key });
  const named = [env.SSL_CERT_FILE, env.NODE_EXTRA_CA_CERTS].filter((path) => path !== undefined && path !== '');
  const bundles = [...(named as string[]), await firstReadable(SYSTEM_BUNDLES)];
  const texts = await Promise.all(
    bundles.map((path) => (path === undefined ? '' : readFile(path, 'utf8').catch(() => ''))),
  );
  return node.createSecureContext({
    ca: distinctCertificates([...node.rootCertificates, ...texts, tls.ca ?? '']),
    cert: tls.cert,
    key: tls.key,
  });
}

/** The system's list is mostly Node's own once more, and every certificate costs half a millisecond. */
function distinctCertificates(texts: readonly string[]): string[] {
  const distinct = new Set<string>();
  for (const text of texts) {
    for (const [certificate] of text.matchAll(CERTIFICATE)) distinct.add(certificate.replaceAll('\r', ''));
  }
  return [...distinct];
}

async function firstReadable(paths: readonly string[]): Promise<string | undefined> {
  const { access } = await import('node:fs/promises');
  for (const path of paths) {
    if (
      await access(path).then(
        () => true,
        () => false,
      )
    )
      return path;
  }
  return undefined;
}
