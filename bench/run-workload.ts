import { appendFileSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { ensureBase } from '../test/support/base-images.ts';
import type { Registry } from '../test/support/registry.ts';
import type { Builder } from './builder.ts';
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
  registry: Registry,
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

interface Place {
  readonly context: string;
  readonly registry: Registry;
  /** Unique to builder and round: a repository that the registry has never seen. */
  readonly name: string;
}

async function runPhase(builder: Builder, phase: Phase, { context, registry, name }: Place): Promise<Measurement> {
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
