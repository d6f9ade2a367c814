import { join } from 'node:path';
import type { Client } from '@grpc/grpc-js';
import { createDaemonLog, type Daemon, type DaemonOptions, startDaemon } from '../../src/buildd/index.ts';
import {
  BuildService,
  createClientIdentity,
  createServiceClient,
  ensureTlsDirectory,
  loadClientTls,
  loadServerTls,
  openChannel,
  type ServiceClient,
  type TlsMaterial,
} from '../../src/rpc/index.ts';
import { importBusybox } from '../integration/busybox-image.ts';
import { makeTempDir, removeTempDir } from '../support/temp-dir.ts';

/** A client of our own library. */
export type BuildClient = ServiceClient<typeof BuildService>;

/** A daemon in this process, with a store and certificates of its own. */
export interface DaemonFixture {
  readonly daemon: Daemon;
  readonly directory: string;
  /** Root of the daemon's store. */
  readonly storageRoot: string;
  readonly tlsDirectory: string;
  readonly lines: readonly string[];
  /** A connection with the certificate of a client of this name; the same name is the same client. */
  connect(name?: string): Promise<BuildClient>;
  clientTls(name?: string): Promise<TlsMaterial>;
  close(): Promise<void>;
}

/** What tests set of a daemon; the rest is made for short waits. */
export type FixtureOptions = Partial<Omit<DaemonOptions, 'tls' | 'storageRoot'>>;

/** Starts a daemon that has the busybox image. */
export async function openDaemon(options: FixtureOptions = {}): Promise<DaemonFixture> {
  const directory = makeTempDir('buildd');
  const storageRoot = join(directory, 'store');
  const tlsDirectory = join(directory, 'tls');
  await importBusybox(storageRoot);
  await ensureTlsDirectory(tlsDirectory);
  const lines: string[] = [];
  const daemon = await startDaemon({
    version: '1.2.3',
    address: '127.0.0.1:0',
    tls: await loadServerTls(tlsDirectory),
    storageRoot,
    backend: 'native',
    env: process.env,
    maxConcurrent: 2,
    idleMs: 0,
    detachMs: 60_000,
    graceMs: 5_000,
    contextBytes: 1 << 30,
    allow: { contexts: [], entitlements: [], secretEnvs: [], sshAgent: false, signIns: false },
    log: createDaemonLog((line) => lines.push(line), 'debug'),
    ...options,
  });
  const channels: Client[] = [];
  const clientTls = async (name?: string): Promise<TlsMaterial> => {
    if (name === undefined) return loadClientTls(tlsDirectory);
    const folder = join(tlsDirectory, 'clients', name);
    return loadClientTls(folder).catch(async () =>
      loadClientTls((await createClientIdentity(tlsDirectory, name)).directory),
    );
  };
  return {
    daemon,
    directory,
    storageRoot,
    tlsDirectory,
    lines,
    clientTls,
    connect: async (name) => {
      const channel = openChannel({ address: daemon.address, tls: await clientTls(name) });
      channels.push(channel);
      return createServiceClient(channel, BuildService);
    },
    close: async () => {
      for (const channel of channels) channel.close();
      await daemon.stop('the test is over');
      await removeTempDir(directory);
    },
  };
}
