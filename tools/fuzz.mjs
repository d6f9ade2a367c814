// Fuzzes the parser, the expansion and the ignore matcher: npm run fuzz -- [--count N] [--seed N] [--target NAME]
// Each target runs in a thread with bounded memory, and an input that takes longer than a few seconds is a failure. The
// default of a million inputs takes some minutes. A failure prints its input; the same seed finds it again.
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { useBundled } from './use-bundled.mjs';

const LIMIT_MS = 2000;
/** A thread that says nothing for so long hangs. */
const SILENCE_MS = 60_000;
const HEAP_MEGABYTES = 256;

const { values } = parseArgs({
  options: {
    count: { type: 'string', default: '1000000' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    target: { type: 'string', multiple: true, default: ['parser', 'expansion', 'ignore'] },
  },
});
const share = Math.ceil(Number(values.count) / values.target.length);

/** Runs one target to its end; a thread that dies or falls silent is a failure like any other. */
function run(bundle, target) {
  return new Promise((resolve) => {
    const worker = new Worker(bundle, {
      workerData: { target, seed: Number(values.seed), count: share, limitMs: LIMIT_MS },
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MEGABYTES },
    });
    let done = 0;
    const end = (failures, slowestMs = 0) => {
      clearTimeout(timer);
      worker.terminate();
      resolve({ target, tried: done, failures, slowestMs });
    };
    const broken = (problem) => end([{ target, index: done, input: undefined, problem }]);
    const watch = () => setTimeout(() => broken(`no answer for ${SILENCE_MS / 1000} s`), SILENCE_MS);
    let timer = watch();
    worker.on('error', (error) => broken(error.stack));
    worker.on('message', (message) => {
      clearTimeout(timer);
      timer = watch();
      if (message.kind === 'progress') done = message.done;
      else end(message.report.failures, message.report.slowestMs);
    });
  });
}

function print({ target, tried, failures, slowestMs }) {
  console.log(`${target}: ${tried} inputs, ${failures.length} failures, slowest ${Math.round(slowestMs)} ms`);
  for (const { index, input, problem } of failures) {
    console.log(
      `  input ${index} of seed ${values.seed}: ${JSON.stringify(input)}\n  ${problem.replaceAll('\n', '\n  ')}`,
    );
  }
}

await useBundled('test/fuzz/worker.ts', async (bundle) => {
  console.log(`seed ${values.seed}`);
  let failed = false;
  for (const target of values.target) {
    const result = await run(bundle, target);
    print(result);
    failed ||= result.failures.length > 0;
  }
  process.exitCode = failed ? 1 : 0;
});
