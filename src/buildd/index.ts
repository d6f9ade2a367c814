/** The certificates of clients on other machines. */
export { type ClientIdentity, createClientIdentity, listIdentities, revokeIdentity } from '../rpc/index.ts';
export { createDaemonLog, type DaemonLog, LOG_LEVELS, type LogFields, type LogLevel } from './daemon-log.ts';
export { type DaemonTls, type DaemonTlsInput, defaultTlsDirectory, openDaemonTls } from './daemon-tls.ts';
export { type Daemon, type DaemonOptions, startDaemon } from './start-daemon.ts';
