import { existsSync } from 'node:fs';
import { BuildError } from '../../core/index.ts';
import { withFileLock } from '../file-lock.ts';
import { createCa, createLeaf, type KeyPair, type LeafInput, serverNames, type Validity } from './certificates.ts';
import {
  checkModes,
  makePrivateDirectory,
  readMaterial,
  readText,
  type TlsPaths,
  tlsPaths,
  writePrivate,
} from './files.ts';
import { type CertificateFacts, isKeyOf, isSignedBy, readCertificate, splitBundle } from './inspect-certificate.ts';
import type { TlsMaterial } from './material.ts';

const DAY_MS = 86_400_000;
/** Clocks of two machines differ; a certificate holds from a little before it was made. */
const SKEW_MS = 3_600_000;
const CA_DAYS = 3650;
/** A new certificate of the CA, with the key that clients know, comes so long before the old one ends. */
const CA_RENEW_DAYS = 730;
const LEAF_DAYS = 365;
const LEAF_RENEW_DAYS = 30;

/** How a TLS directory is looked at. */
export interface TlsOptions {
  /** Names and addresses besides this host's own by which clients reach the daemon. */
  readonly serverNames?: readonly string[];
  /** Default: now. */
  readonly nowMs?: number;
}

/**
 * Makes what a TLS directory lacks, and renews what ends soon: a CA, a server's and a client's certificate, each end its own.
 * Two processes at once end with one set. A directory that holds a client's files without the CA's key is left as it is.
 *
 * @throws BuildError `BACKEND_UNAVAILABLE` for files that are there but not safe to use, `STORE_LOCKED`.
 */
export async function ensureTlsDirectory(directory: string, options: TlsOptions = {}): Promise<void> {
  const paths = tlsPaths(directory);
  if (isForeign(paths) || (existsSync(paths.caKey) && planRenewal(paths, options).length === 0)) return;
  makePrivateDirectory(directory);
  await withFileLock(paths.lock, async () => {
    for (const renew of planRenewal(paths, options)) await renew();
  });
}

/** Somebody else's CA: its key is not here. */
function isForeign({ ca, caKey }: TlsPaths): boolean {
  return existsSync(ca) && !existsSync(caKey);
}

/** What must be made, in its order: certificates are made after the CA that signs them. */
function planRenewal(paths: TlsPaths, options: TlsOptions): ReadonlyArray<() => Promise<void>> {
  const nowMs = options.nowMs ?? Date.now();
  const names = [...new Set([...(options.serverNames ?? []), ...knownNames(paths)])];
  const steps: Array<() => Promise<void>> = [];
  if (needsCa(paths, nowMs)) steps.push(() => renewCa(paths, nowMs));
  const signers = steps.length === 0 ? readText(paths.ca) : undefined;
  const server = { cert: paths.serverCert, key: paths.serverKey };
  if (!isGood(server, { ca: signers, nowMs }) || lacksName(paths.serverCert, names)) {
    steps.push(() => writeLeaf(paths, server, { kind: 'server', names, validity: leafValidity(nowMs) }));
  }
  if (!isGood(paths, { ca: signers, nowMs })) {
    steps.push(() => writeLeaf(paths, paths, { kind: 'client', name: 'local', validity: leafValidity(nowMs) }));
  }
  return steps;
}

function needsCa({ ca, caKey }: TlsPaths, nowMs: number): boolean {
  const cert = readText(ca);
  const facts = cert === undefined ? undefined : readCertificate(cert);
  return facts === undefined || !existsSync(caKey) || facts.validUntilMs - nowMs < CA_RENEW_DAYS * DAY_MS;
}

/**
 * A CA that is there keeps its key: what it signed stays good, clients that know its old certificate go on until that ends,
 * and the old one stays in the file as long as it holds.
 */
async function renewCa(paths: TlsPaths, nowMs: number): Promise<void> {
  const key = readText(paths.caKey);
  const old = key === undefined ? [] : splitBundle(readText(paths.ca) ?? '');
  const kept = old.filter((cert) => isKeyOf(key!, cert) && (readCertificate(cert)?.validUntilMs ?? 0) > nowMs);
  const made = await createCa({ fromMs: nowMs - SKEW_MS, untilMs: nowMs + CA_DAYS * DAY_MS }, key);
  // The key first: a certificate alone would look like somebody else's.
  writePrivate(paths.caKey, made.key);
  writePrivate(paths.ca, [made.cert, ...kept].join(''));
}

async function writeLeaf(
  paths: TlsPaths,
  files: { readonly cert: string; readonly key: string },
  input: LeafInput,
): Promise<void> {
  const leaf = await createLeaf(readCa(paths), input);
  writePrivate(files.key, leaf.key);
  writePrivate(files.cert, leaf.cert);
}

/** The CA with its key. @throws BuildError `BACKEND_UNAVAILABLE` where the key is not, or open to others. */
export function readCa(paths: TlsPaths): KeyPair {
  const key = readText(paths.caKey);
  const [cert] = splitBundle(readText(paths.ca) ?? '');
  if (key === undefined || cert === undefined) {
    throw new BuildError(
      'BACKEND_UNAVAILABLE',
      `No certificates can be made in ${paths.directory}: the CA's key is not there.`,
      {
        hint: 'Make them on the host of the daemon, in its TLS directory.',
      },
    );
  }
  checkModes(paths.caKey);
  return { cert, key };
}

function isGood(
  files: { readonly cert: string; readonly key: string },
  { ca, nowMs }: { readonly ca: string | undefined; readonly nowMs: number },
): boolean {
  const cert = readText(files.cert);
  const key = readText(files.key);
  if (cert === undefined || key === undefined || ca === undefined) return false;
  const facts = readCertificate(cert);
  if (facts === undefined || facts.validUntilMs - nowMs < LEAF_RENEW_DAYS * DAY_MS) return false;
  return isKeyOf(key, cert) && isSignedBy(cert, ca);
}

/** Names that were once asked for stay. */
function knownNames({ serverCert }: TlsPaths): readonly string[] {
  return readCertificate(readText(serverCert) ?? '')?.hostNames ?? [];
}

function lacksName(serverCert: string, names: readonly string[]): boolean {
  const held = readCertificate(readText(serverCert) ?? '')?.hostNames ?? [];
  return serverNames(names).some((name) => !held.includes(name));
}

/** A year from now. */
export function leafValidity(nowMs: number, days = LEAF_DAYS): Validity {
  return { fromMs: nowMs - SKEW_MS, untilMs: nowMs + days * DAY_MS };
}

/**
 * What a client proves itself with: `ca.pem`, `cert.pem` and `key.pem` of a directory.
 *
 * @throws BuildError `BACKEND_UNAVAILABLE` naming the file that is missing, too open, damaged, expired, or not of the others.
 */
export async function loadClientTls(directory: string, { nowMs = Date.now() }: TlsOptions = {}): Promise<TlsMaterial> {
  const paths = tlsPaths(directory);
  return loadTls(paths, { paths, nowMs, use: 'forClient' });
}

/**
 * What a server proves itself with: its own certificate, or that of a directory of the first protocol, where both ends share
 * one.
 *
 * @throws BuildError as `loadClientTls`.
 */
export async function loadServerTls(directory: string, { nowMs = Date.now() }: TlsOptions = {}): Promise<TlsMaterial> {
  const paths = tlsPaths(directory);
  const files = existsSync(paths.serverCert)
    ? { ca: paths.ca, cert: paths.serverCert, key: paths.serverKey }
    : { ca: paths.ca, cert: paths.cert, key: paths.key };
  return loadTls(files, { paths, nowMs, use: 'forServer' });
}

interface TlsFiles {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

interface LoadInput {
  readonly paths: TlsPaths;
  readonly nowMs: number;
  readonly use: 'forClient' | 'forServer';
}

async function loadTls(files: TlsFiles, input: LoadInput): Promise<TlsMaterial> {
  const first = readMaterial(files);
  checkModes(files.key);
  if (isKeyOf(first.key, first.cert) && isSignedBy(first.cert, first.ca)) return check(first, files, input);
  // Perhaps another process is renewing them: between two renames they do not go together.
  const again = existsSync(input.paths.lock)
    ? await withFileLock(input.paths.lock, async () => readMaterial(files))
    : readMaterial(files);
  return check(again, files, input);
}

/** Reads and checks the three files of one end, wherever they lie. @throws BuildError as `loadClientTls`. */
export function readTlsFiles(files: TlsFiles, use: 'forClient' | 'forServer', nowMs = Date.now()): TlsMaterial {
  const material = readMaterial(files);
  checkModes(files.key);
  return check(material, files, { nowMs, use });
}

function check(material: TlsMaterial, files: TlsFiles, { nowMs, use }: Pick<LoadInput, 'nowMs' | 'use'>): TlsMaterial {
  const facts = readCertificate(material.cert);
  if (facts === undefined) throw unusable(`${files.cert} holds no certificate`);
  if (splitBundle(material.ca).length === 0) throw unusable(`${files.ca} holds no certificate`);
  if (!isKeyOf(material.key, material.cert)) throw unusable(`${files.key} is not the key of ${files.cert}`);
  if (!isSignedBy(material.cert, material.ca)) throw unusable(`${files.cert} was not signed by the CA of ${files.ca}`);
  const dates = dateProblem(facts, nowMs);
  if (dates !== undefined) throw unusable(`${files.cert} ${dates}`);
  if (!facts[use]) throw unusable(`${files.cert} is a ${use === 'forServer' ? "client's" : "server's"} certificate`);
  return material;
}

function dateProblem({ validFromMs, validUntilMs }: CertificateFacts, nowMs: number): string | undefined {
  if (nowMs > validUntilMs) return `expired on ${dayOf(validUntilMs)}`;
  return nowMs < validFromMs
    ? `does not hold before ${dayOf(validFromMs)}; is the clock of this machine right?`
    : undefined;
}

function dayOf(timeMs: number): string {
  return new Date(timeMs).toISOString().slice(0, 16).replace('T', ' ');
}

function unusable(why: string): BuildError {
  return new BuildError('BACKEND_UNAVAILABLE', `The TLS files cannot be used: ${why}.`, {
    hint: 'Get new ones from the host of the daemon (`zlayer buildd tls create NAME`), or remove all of them where they are made by themselves.',
  });
}
