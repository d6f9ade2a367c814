import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RunContext } from '../../core/index.ts';
import { isWorkingKind } from './namespace.ts';
import { hostVersion, isolationMissing, probeHost } from './probe.ts';
import { runStep } from './run-step.ts';
import { createStepPlaces, type StepPlaces } from './step-places.ts';
import { openStepTools } from './step-tools.ts';
import type { Executor, HostProbe, StepMeans } from './types.ts';

/** Where an executor keeps what it makes. */
export interface ExecutorOptions {
  /** Private directory on the file system of the store, made if missing; holds tools and what the probe found. */
  readonly stateDir: string;
  /** A fresh private directory that is swept when this process is gone (`Store.makeTempDir`). */
  readonly makeTempDir: (prefix: string) => Promise<string>;
  /** What to make steps of even where more is allowed; what was found with it is not remembered. Default the best. */
  readonly means?: Partial<StepMeans>;
}

/**
 * Finds out how RUN can be isolated here and returns what runs it. The ways are tried by doing them (about 25 ms each); a way
 * that worked is remembered until the host's programs, switches or boot change. A host without any gives an executor of
 * kind `none`, whose `run` fails with `HOST_LACKS` and all reasons.
 */
export async function createExecutor(options: ExecutorOptions, context: RunContext): Promise<Executor> {
  mkdirSync(options.stateDir, { recursive: true, mode: 0o700 });
  const uid = process.getuid?.() ?? -1;
  const version = hostVersion(uid);
  const places = createStepPlaces(await options.makeTempDir('steps'));
  const place = { stateDir: options.stateDir, places, version, means: options.means };
  const known = options.means === undefined ? readProbe(options.stateDir, version) : undefined;
  const probe = known ?? (await probeHost(place, uid, context));
  if (known === undefined && probe.kind !== 'none' && options.means === undefined) {
    writeProbe(options.stateDir, version, probe);
  }
  return toExecutor(probe, place);
}

function toExecutor(
  probe: HostProbe,
  place: { readonly stateDir: string; readonly places: StepPlaces; readonly version: string },
): Executor {
  const { kind } = probe;
  if (!isWorkingKind(kind)) {
    return { probe, run: () => Promise.reject(isolationMissing(probe)) };
  }
  const tools = openStepTools(place.stateDir, kind, place.version);
  const host = { kind, means: probe, tools, places: place.places };
  return { probe, run: (request, context) => runStep(host, request, context) };
}

interface ProbeRecord {
  readonly version: string;
  readonly probe: HostProbe;
}

function readProbe(stateDir: string, version: string): HostProbe | undefined {
  try {
    const record = JSON.parse(readFileSync(join(stateDir, 'probe.json'), 'utf8')) as ProbeRecord;
    return record.version === version ? record.probe : undefined;
  } catch {
    return undefined;
  }
}

function writeProbe(stateDir: string, version: string, probe: HostProbe): void {
  const temporary = join(stateDir, `probe.json.${process.pid}`);
  const record: ProbeRecord = { version, probe };
  writeFileSync(temporary, JSON.stringify(record));
  renameSync(temporary, join(stateDir, 'probe.json'));
}
