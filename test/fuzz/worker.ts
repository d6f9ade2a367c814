import { parentPort, workerData } from 'node:worker_threads';
import { fuzz } from './fuzz.ts';
import { TARGETS } from './targets.ts';

/** What `tools/fuzz.mjs` asks a thread for. */
interface Job {
  readonly target: string;
  readonly seed: number;
  readonly count: number;
  readonly limitMs: number;
}

const { target: name, ...job } = workerData as Job;
const target = TARGETS.find((one) => one.name === name);
if (target === undefined) throw new Error(`There is no target "${name}".`);
const report = fuzz({ ...job, target, onProgress: (done) => parentPort!.postMessage({ kind: 'progress', done }) });
parentPort!.postMessage({ kind: 'report', report });
