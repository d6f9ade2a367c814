import type { BuildEvent, CacheVerdict, SourceLocation, VertexInfo } from '../../src/core/index.ts';

/** Distributes over the members of the union, which `Omit` alone does not. */
type WithoutTime<E> = E extends BuildEvent ? Omit<E, 'time'> : never;

/** Events with the milliseconds after the start at which each comes. */
export type Recording = ReadonlyArray<readonly [atMs: number, event: WithoutTime<BuildEvent>]>;

export const DOCKERFILE = `FROM debian:12 AS build
WORKDIR /src
COPY package.json package-lock.json .
RUN --mount=type=cache,target=/root/.npm \\
    npm ci --omit=dev && \\
    echo installed
COPY . .
RUN npm run build

FROM scratch
COPY --from=build /src/dist /app
`;

/** A stretch of `DOCKERFILE`. */
export function locationOf(startLine: number, endLine = startLine): SourceLocation {
  const lines = DOCKERFILE.split('\n');
  return {
    fileName: 'Dockerfile',
    text: DOCKERFILE,
    range: { start: { line: startLine, column: 1 }, end: { line: endLine, column: lines[endLine - 1]!.length + 1 } },
  };
}

const CACHED: CacheVerdict = { kind: 'cached', reason: 'All inputs are the same as in an earlier build.' };
const FIRST: CacheVerdict = { kind: 'run', reason: 'The step has not been run before.' };
const CHANGED: CacheVerdict = {
  kind: 'run',
  reason: 'A file that it copies has changed.',
  changes: [{ input: 'file src/main.js', from: 'sha256:11', to: 'sha256:22' }],
};

const VERTICES: readonly VertexInfo[] = [
  {
    id: 'base',
    number: 1,
    name: '[build 1/5] FROM docker.io/library/debian:12',
    inputs: [],
    stage: 'build',
    location: locationOf(1),
  },
  {
    id: 'workdir',
    number: 2,
    name: '[build 2/5] WORKDIR /src',
    inputs: ['base'],
    stage: 'build',
    location: locationOf(2),
  },
  {
    id: 'copy',
    number: 3,
    name: '[build 3/5] COPY package.json package-lock.json .',
    inputs: ['workdir'],
    location: locationOf(3),
  },
  {
    id: 'install',
    number: 4,
    name: '[build 4/5] RUN --mount=type=cache,target=/root/.npm     npm ci --omit=dev &&     echo installed',
    inputs: ['copy'],
    location: locationOf(4, 6),
  },
  { id: 'compile', number: 5, name: '[build 5/5] RUN npm run build', inputs: ['install'], location: locationOf(8) },
  {
    id: 'app',
    number: 6,
    name: '[stage-1 1/1] COPY --from=build /src/dist /app',
    inputs: ['compile'],
    location: locationOf(11),
  },
];

const LAYER_BYTES = 48_500_000;

/** A build with a pull, cached steps, two steps at once, output of all kinds and a warning. */
export const RECORDING: Recording = [
  [0, { kind: 'build-started', buildId: 'b1', fileName: 'Dockerfile' }],
  [20, { kind: 'build-planned', vertices: VERTICES }],
  [30, { kind: 'vertex-started', vertex: 'base' }],
  [
    40,
    {
      kind: 'transfer',
      id: 't1',
      direction: 'pull',
      name: '4f4fb700ef54',
      vertex: 'base',
      currentBytes: 0,
      totalBytes: LAYER_BYTES,
      done: false,
    },
  ],
  [
    540,
    {
      kind: 'transfer',
      id: 't1',
      direction: 'pull',
      name: '4f4fb700ef54',
      vertex: 'base',
      currentBytes: 12_000_000,
      totalBytes: LAYER_BYTES,
      done: false,
    },
  ],
  [
    1040,
    {
      kind: 'transfer',
      id: 't1',
      direction: 'pull',
      name: '4f4fb700ef54',
      vertex: 'base',
      currentBytes: 33_000_000,
      totalBytes: LAYER_BYTES,
      done: false,
    },
  ],
  [
    1540,
    {
      kind: 'transfer',
      id: 't1',
      direction: 'pull',
      name: '4f4fb700ef54',
      vertex: 'base',
      currentBytes: LAYER_BYTES,
      totalBytes: LAYER_BYTES,
      done: true,
    },
  ],
  [1600, { kind: 'vertex-completed', vertex: 'base', durationMs: 1570, verdict: FIRST }],
  [1610, { kind: 'vertex-completed', vertex: 'workdir', durationMs: 0, verdict: CACHED }],
  [1620, { kind: 'vertex-started', vertex: 'copy' }],
  [1660, { kind: 'vertex-completed', vertex: 'copy', durationMs: 40, verdict: CHANGED }],
  [1670, { kind: 'vertex-started', vertex: 'install' }],
  [1671, { kind: 'vertex-started', vertex: 'compile' }],
  [
    1900,
    {
      kind: 'log',
      vertex: 'install',
      stream: 'stderr',
      text: 'npm WARN deprecated inflight@1.0.6: This module is not supported, and leaks memory. Do not use it.\nnpm WARN',
    },
  ],
  [2100, { kind: 'log', vertex: 'install', stream: 'stderr', text: ' second half\n' }],
  [
    2200,
    {
      kind: 'log',
      vertex: 'compile',
      stream: 'stdout',
      text: '\x1b[32m> tsc\x1b[0m\n10%\r50%\r100%\n日本語のログ行も幅どおりに切り詰められる、とても長い一行をここに書いておくとわかりやすい\n',
    },
  ],
  [2900, { kind: 'log', vertex: 'install', stream: 'stdout', text: 'added 120 packages in 1s' }],
  [
    3100,
    {
      kind: 'warning',
      code: 'LegacyKeyValueFormat',
      message: '"ENV key value" is an old form',
      hint: 'Write ENV key=value.',
      location: locationOf(7),
    },
  ],
  [3120, { kind: 'vertex-completed', vertex: 'install', durationMs: 1450, verdict: FIRST }],
];

/** How `RECORDING` ends well. */
export const SUCCESS: Recording = [
  [3500, { kind: 'vertex-completed', vertex: 'compile', durationMs: 1829, verdict: FIRST }],
  [3510, { kind: 'vertex-started', vertex: 'app' }],
  [3600, { kind: 'vertex-completed', vertex: 'app', durationMs: 90, verdict: FIRST }],
  [
    3610,
    {
      kind: 'transfer',
      id: 'x1',
      direction: 'push',
      name: 'docker.io/me/app:1.0',
      currentBytes: 0,
      totalBytes: 9_000_000,
      done: false,
    },
  ],
  [
    4300,
    {
      kind: 'transfer',
      id: 'x1',
      direction: 'push',
      name: 'docker.io/me/app:1.0',
      currentBytes: 9_000_000,
      totalBytes: 9_000_000,
      done: true,
    },
  ],
  [4310, { kind: 'build-completed', durationMs: 4310, references: ['docker.io/me/app:1.0'] }],
];

/** How `RECORDING` ends badly. */
export const FAILURE: Recording = [
  [
    3400,
    {
      kind: 'log',
      vertex: 'compile',
      stream: 'stderr',
      text: "src/main.ts(3,1): error TS2304: Cannot find name 'x'.\n",
    },
  ],
  [
    3500,
    {
      kind: 'vertex-failed',
      vertex: 'compile',
      durationMs: 1829,
      code: 'STEP_FAILED',
      message: 'The command "npm run build" failed with exit code 2.',
    },
  ],
  [
    3510,
    {
      kind: 'build-failed',
      durationMs: 3510,
      code: 'STEP_FAILED',
      message: 'The command "npm run build" failed with exit code 2.',
    },
  ],
];

/** The events of a recording with their times, from `startMs` on. */
export function eventsOf(recording: Recording, startMs = 1_000_000): readonly BuildEvent[] {
  return recording.map(([atMs, event]) => ({ ...event, time: startMs + atMs }) as BuildEvent);
}
