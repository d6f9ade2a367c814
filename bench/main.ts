import { writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ensureBase } from '../test/support/base-images.ts';
import { runOk } from '../test/support/process.ts';
import { openRegistry } from '../test/support/registry.ts';
import { makeTempDir, removeTempDir } from '../test/support/temp-dir.ts';
import { type Builder, createOurs, createRival } from './builder.ts';
import { formatMounts, measureCacheMounts } from './cache-mounts.ts';
import { openCounter } from './count-bytes.ts';
import { formatResults, missedBars } from './report.ts';
import { type PhaseResult, runWorkload } from './run-workload.ts';
import { WORKLOADS, writeWorkload } from './workloads.ts';

const USAGE = `usage: node bench/run.mjs [options]
  --only W1,M1    these workloads alone
  --rounds N      runs of each phase; the median is shown (default 3)
  --scale X       size of W5, W6 and M1 (default 1: 1 GiB, 50,000 files)
  --builders A,B  zlayer, buildah, or both (the default)
  --json FILE     also write every figure as JSON
  --check         exit status 1 when a bar is missed
`;

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    rounds: { type: 'string', default: '3' },
    scale: { type: 'string', default: '1' },
    builders: { type: 'string', default: 'zlayer,buildah' },
    json: { type: 'string' },
    check: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

if (values.help) process.stdout.write(USAGE);
else process.exitCode = await main();

async function main(): Promise<number> {
  const root = makeTempDir('bench');
  const registry = await openRegistry(root);
  const counter = await openCounter(registry.host);
  try {
    const builders = chooseBuilders(root, values.builders.split(','));
    await pushBase(root, registry.host);
    const wanted = values.only?.split(',');
    const results: PhaseResult[] = [];
    for (const workload of WORKLOADS.filter(({ id }) => wanted?.includes(id) ?? true)) {
      process.stderr.write(`${workload.id}: ${workload.about}\n`);
      const context = join(root, workload.id);
      writeWorkload(workload, context, Number(values.scale));
      results.push(
        ...(await runWorkload(
          builders,
          { workload, context, rounds: Number(values.rounds) },
          { host: registry.host, counter },
        )),
      );
      await removeTempDir(context);
    }
    const mounts =
      wanted?.includes('M1') === false ? [] : await measureCacheMounts(root, registry, Number(values.scale));
    process.stdout.write(`${cpus().length} cores, Node ${process.versions.node}, medians of ${values.rounds}\n`);
    process.stdout.write(`${formatResults(results)}\n`);
    if (mounts.length > 0) process.stdout.write(`${formatMounts(mounts)}\n`);
    if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(results, null, 2)}\n`);
    return values.check && results.some((result) => missedBars(result).length > 0) ? 1 : 0;
  } finally {
    await counter.close();
    await registry.close();
    await removeTempDir(root);
  }
}

function chooseBuilders(root: string, names: readonly string[]): readonly Builder[] {
  const makers: Readonly<Record<string, (root: string) => Builder>> = { zlayer: createOurs, buildah: createRival };
  return names.map((name) => {
    const make = makers[name];
    if (make === undefined) throw new Error(`There is no builder named "${name}".\n${USAGE}`);
    return make(root);
  });
}

/** The base that W9 pulls. */
async function pushBase(root: string, host: string): Promise<void> {
  const { layout, reference } = await ensureBase('node');
  const target = `docker://${host}/node:latest`;
  const copy = ['skopeo', '--insecure-policy', 'copy', '--quiet', '--dest-tls-verify=false'];
  await runOk([...copy, `oci:${layout}:${reference}`, target], { cwd: root });
}
