import { createPrivateKey, X509Certificate } from 'node:crypto';

/** What one needs to know of a certificate. */
export interface CertificateFacts {
  /** Common name of its subject. */
  readonly name: string;
  /** Lower-case hexadecimal digits. */
  readonly serialNumber: string;
  readonly validFromMs: number;
  readonly validUntilMs: number;
  /** Host names and addresses. */
  readonly hostNames: readonly string[];
  readonly forServer: boolean;
  readonly forClient: boolean;
}

const SERVER_AUTH = '1.3.6.1.5.5.7.3.1';
const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2';

/** Reads the first certificate of a PEM text; undefined where there is none. */
export function readCertificate(pem: string): CertificateFacts | undefined {
  const certificate = parse(pem);
  if (certificate === undefined) return undefined;
  // Absent: for everything.
  const usages: readonly string[] | undefined = certificate.keyUsage;
  return {
    name: /^CN=(.*)$/m.exec(certificate.subject)?.[1] ?? certificate.subject,
    serialNumber: certificate.serialNumber.toLowerCase(),
    validFromMs: Date.parse(certificate.validFrom),
    validUntilMs: Date.parse(certificate.validTo),
    hostNames: hostNamesOf(certificate),
    forServer: usages?.includes(SERVER_AUTH) ?? true,
    forClient: usages?.includes(CLIENT_AUTH) ?? true,
  };
}

/** Whether a certificate was signed by one of a CA's certificates. */
export function isSignedBy(cert: string, ca: string): boolean {
  const certificate = parse(cert);
  return (
    certificate !== undefined &&
    splitBundle(ca).some((text) => {
      const issuer = parse(text);
      return issuer !== undefined && certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
    })
  );
}

/** Whether a private key is that of a certificate. */
export function isKeyOf(key: string, cert: string): boolean {
  try {
    return parse(cert)?.checkPrivateKey(createPrivateKey(key)) === true;
  } catch {
    return false;
  }
}

/** The certificates of a PEM text, one by one. */
export function splitBundle(pem: string): readonly string[] {
  return pem.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----\n?/g) ?? [];
}

function parse(pem: string): X509Certificate | undefined {
  try {
    return new X509Certificate(pem);
  } catch {
    return undefined;
  }
}

function hostNamesOf(certificate: X509Certificate): readonly string[] {
  const names = certificate.subjectAltName?.split(', ') ?? [];
  return names.map((name) => name.replace(/^(DNS|IP Address):/, '')).map(shortAddress);
}

/** `0:0:0:0:0:0:0:1` as it is written. */
function shortAddress(name: string): string {
  if (!/^[0-9A-F:]+$/i.test(name) || !name.includes(':')) return name;
  return new URL(`http://[${name}]`).hostname.slice(1, -1);
}
