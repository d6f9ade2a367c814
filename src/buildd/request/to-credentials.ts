import type { BuildRequest } from '../../backends/index.ts';
import type { PushAuth } from '../../rpc/index.ts';

/** Sign-ins by registry host, as the contract has them. */
export type CredentialsByHost = NonNullable<BuildRequest['credentials']>;

/** Undefined when a client sends none: then the daemon's own auth files count. */
export function toCredentials(auths: { readonly [host: string]: PushAuth }): CredentialsByHost | undefined {
  const entries = Object.entries(auths).map(([host, auth]) => [host, toCredential(auth)] as const);
  return entries.length === 0 ? undefined : Object.fromEntries(entries);
}

/** Of the four fields, the most specific one that is set counts. */
export function toCredential(auth: PushAuth): CredentialsByHost[string] {
  const { username, password, identityToken, registryToken } = auth;
  if (registryToken !== '') return { kind: 'bearer', token: registryToken };
  if (identityToken !== '') {
    return { kind: 'identity-token', token: identityToken, ...(username === '' ? {} : { username }) };
  }
  return username === '' && password === '' ? { kind: 'anonymous' } : { kind: 'basic', username, password };
}
