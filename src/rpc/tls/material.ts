/** Name that every daemon's certificate holds and every client asks for, whatever address the daemon is reached by. */
export const SERVER_NAME = 'zlayer-buildd';

/** What one end of a connection proves itself with, and verifies the other end by. PEM texts. */
export interface TlsMaterial {
  /** One or more certificates of the CA. */
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}
