import { createPrivateKey, createPublicKey, randomBytes, webcrypto } from 'node:crypto';
import { isIP } from 'node:net';
import { SERVER_NAME } from './material.ts';

/** A certificate with its private key, PEM texts. */
export interface KeyPair {
  readonly cert: string;
  readonly key: string;
}

/** When a certificate holds. Milliseconds since the epoch. */
export interface Validity {
  readonly fromMs: number;
  readonly untilMs: number;
}

/** What a certificate is for. */
export type LeafInput =
  | { readonly kind: 'server'; readonly names: readonly string[]; readonly validity: Validity }
  | { readonly kind: 'client'; readonly name: string; readonly validity: Validity };

const CA_NAME = 'zlayer-buildd-ca';
const CURVE = { name: 'ECDSA', namedCurve: 'P-256' } as const;
const SIGNATURE = { name: 'ECDSA', hash: 'SHA-256' } as const;
const SERVER_AUTH = '1.3.6.1.5.5.7.3.1';
const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2';
/** By these a daemon is reached from its own host. */
const LOCAL_NAMES = [SERVER_NAME, 'localhost', '127.0.0.1', '::1'];

/** Makes a CA; with `key`, a new certificate of the CA that has that key, which vouches for what the old one signed. */
export async function createCa(validity: Validity, key?: string): Promise<KeyPair> {
  const x509 = await loadX509();
  const keys = key === undefined ? await createKeys() : await importKeys(key);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: createSerialNumber(),
    name: `CN=${CA_NAME}`,
    notBefore: new Date(validity.fromMs),
    notAfter: new Date(validity.untilMs),
    signingAlgorithm: SIGNATURE,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { cert: toText(certificate.toString('pem')), key: key ?? (await exportKey(keys.privateKey)) };
}

/** Makes a certificate that holds for one end of a connection alone: a server's is refused from a client, and vice versa. */
export async function createLeaf(ca: KeyPair, input: LeafInput): Promise<KeyPair> {
  const x509 = await loadX509();
  const keys = await createKeys();
  const issuer = new x509.X509Certificate(ca.cert);
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: createSerialNumber(),
    subject: `CN=${input.kind === 'server' ? SERVER_NAME : input.name}`,
    issuer: issuer.subject,
    notBefore: new Date(input.validity.fromMs),
    notAfter: new Date(input.validity.untilMs),
    signingAlgorithm: SIGNATURE,
    signingKey: (await importKeys(ca.key)).privateKey,
    publicKey: keys.publicKey,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([input.kind === 'server' ? SERVER_AUTH : CLIENT_AUTH]),
      ...(input.kind === 'server'
        ? [new x509.SubjectAlternativeNameExtension(serverNames(input.names).map(toGeneralName))]
        : []),
      await x509.AuthorityKeyIdentifierExtension.create(issuer),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { cert: toText(certificate.toString('pem')), key: await exportKey(keys.privateKey) };
}

/** All names that a server's certificate holds. */
export function serverNames(names: readonly string[]): readonly string[] {
  return [...new Set([...LOCAL_NAMES, ...names])];
}

/** Loaded when a certificate is made: it takes longer than most calls. It needs reflection that only its own loader brings. */
async function loadX509(): Promise<typeof import('@peculiar/x509')> {
  await import('reflect-metadata');
  const x509 = await import('@peculiar/x509');
  x509.cryptoProvider.set(webcrypto);
  return x509;
}

function toGeneralName(value: string): { readonly type: 'ip' | 'dns'; readonly value: string } {
  return { type: isIP(value) === 0 ? 'dns' : 'ip', value };
}

/** 128 random bits, positive. */
function createSerialNumber(): string {
  const bytes = randomBytes(16);
  bytes[0] = (bytes[0]! & 0x7f) | 0x40;
  return bytes.toString('hex');
}

function createKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(CURVE, true, ['sign', 'verify']);
}

async function importKeys(pem: string): Promise<webcrypto.CryptoKeyPair> {
  const secret = createPrivateKey(pem);
  const pkcs8 = secret.export({ type: 'pkcs8', format: 'der' });
  const spki = createPublicKey(secret).export({ type: 'spki', format: 'der' });
  return {
    privateKey: await webcrypto.subtle.importKey('pkcs8', pkcs8, CURVE, true, ['sign']),
    publicKey: await webcrypto.subtle.importKey('spki', spki, CURVE, true, ['verify']),
  };
}

async function exportKey(key: webcrypto.CryptoKey): Promise<string> {
  const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', key));
  return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
    .export({ type: 'pkcs8', format: 'pem' })
    .toString();
}

function toText(pem: string): string {
  return pem.endsWith('\n') ? pem : `${pem}\n`;
}
