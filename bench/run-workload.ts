import { appendFileSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { ensureBase } from '../test/support/base-images.ts';
import type { Builder } from './builder.ts';
import type { Counter } from './count-bytes.ts';
import { type Measurement, measure, median } from './measure.ts';
import type { Phase, Workload } from './workloads.ts';

/** Medians of one phase, by builder name. */
export interface PhaseResult {
  readonly id: string;
  readonly about: string;
  readonly phase: Phase;
  readonly medians: Readonly<Record<string, Measurement>>;
}

export interface Plan {
  readonly workload: Workload;
  /** Just written, so that its files are in the page cache for every builder. */
  readonly context: string;
  readonly rounds: number;
}

/** Runs every phase of a workload with each builder in turn, round after round, in the order of the phases. */
export async function runWorkload(
  builders: readonly Builder[],
  { workload, context, rounds }: Plan,
  registry: CountedRegistry,
): Promise<readonly PhaseResult[]> {
  const bases = await Promise.all(workload.bases.map(ensureBase));
  for (const builder of builders) await builder.loadBases(bases);
  const samples = new Map<string, Measurement[]>();
  for (let round = 0; round < rounds; round++) {
    for (const builder of builders) {
      for (const phase of workload.phases) {
        const place = { context, registry, name: `${workload.id.toLowerCase()}-${builder.name}-${round}` };
        const key = `${phase.kind} ${builder.name}`;
        samples.set(key, [...(samples.get(key) ?? []), await runPhase(builder, phase, place)]);
      }
    }
  }
  return workload.phases.map((phase) => ({
    id: workload.id,
    about: workload.about,
    phase,
    medians: Object.fromEntries(
      builders.map(({ name }) => [name, median(samples.get(`${phase.kind} ${name}`) ?? [])] as const),
    ),
  }));
}

/** A registry, and a way to it on which bytes are counted. */
export interface CountedRegistry {
  readonly host: string;
  readonly counter: Counter;
}

interface Place {
  readonly context: string;
  readonly registry: CountedRegistry;
  /** Unique to builder and round: a repository that the registry has never seen. */
  readonly name: string;
}

async function runPhase(builder: Builder, phase: Phase, place: Place): Promise<Measurement> {
  if (phase.kind === 'leave' || phase.kind === 'take') return runShared(builder, phase.kind, place);
  const { context, registry, name } = place;
  const reference = `${registry.host}/${name}:1`;
  if (phase.kind === 'cold') await builder.reset();
  if (phase.kind === 'pull') await builder.clear();
  if (phase.kind === 'push') await builder.tag(reference);
  if (phase.kind === 'changed') appendFileSync(join(context, 'src/main.js'), `console.log(${Math.random()})\n`);
  if (phase.kind === 'changed') utimesSync(join(context, 'src/main.js'), Date.now() / 1000, Date.now() / 1000);
  const isPush = phase.kind === 'push' || phase.kind === 'push-again';
  const { argv, env } = isPush ? builder.push(reference) : builder.build(context, registry.host);
  return measure(argv, env);
}

async function runShared(
  builder: Builder,
  kind: 'leave' | 'take',
  { context, registry, name }: Place,
): Promise<Measurement> {
  const { host, takeBytes } = registry.counter;
  await builder.clear();
  takeBytes();
  const use = kind === 'leave' ? 'write' : 'read';
  const shared = {
    registry: host,
    reference: `${host}/${name}-${kind}:1`,
    cache: `${host}/${name}-cache`,
    use,
  } as const;
  const { argv, env } = builder.share(context, shared);
  const measured = await measure(argv, env);
  return { ...measured, fetchedBytes: takeBytes() };
}
