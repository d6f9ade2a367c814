import { mkdirSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { BaseName } from '../test/support/base-images.ts';
import { createRandom } from '../test/support/random.ts';
import { makeNoise, makeText } from './content.ts';

/** One build, and how it is measured. */
export interface Workload {
  readonly id: string;
  readonly about: string;
  readonly bases: readonly BaseName[];
  readonly dockerfile: string;
  /** Writes the build context. */
  readonly writeContext: (write: (path: string, bytes: string | Buffer) => void, scale: number) => void;
  readonly phases: readonly Phase[];
}

/**
 * `cold`: the base is in the store and nothing else. `again`: the same build once more. `changed`: after a change of one
 * file. `pull`: an empty store, and the base in a registry. `push`: to a registry that has nothing of it; `push-again`.
 * `leave`: an empty store; results go to a cache in the registry, and the image is pushed. `take`: on another machine, which
 * finds them there and pushes to another repository.
 */
export interface Phase {
  readonly kind: 'cold' | 'again' | 'changed' | 'pull' | 'push' | 'push-again' | 'leave' | 'take';
  /** Largest share of buildah's wall time that we may take. */
  readonly bar?: number;
}

const STAMP = 1_700_000_000;

const TWELVE = `FROM localhost/debian
LABEL org.example.name=w3
ENV NODE_ENV=production APP=/app
WORKDIR /app
RUN mkdir -p /app/data && echo ready > /app/data/state
COPY package.json ./
RUN cp package.json package-lock.json && seq 1000 > data/seq.txt
COPY lib/ lib/
RUN find lib -type f | sort | xargs sha256sum > lib.sum
EXPOSE 8080
COPY src/ src/
CMD ["sh","-c","cat src/main.js"]
`;

/** The shapes of work that builders differ in; the figures of rivals are in README.md. */
export const WORKLOADS: readonly Workload[] = [
  {
    id: 'W1',
    about: 'one COPY on scratch',
    bases: [],
    dockerfile: 'FROM scratch\nCOPY hello.txt /hello.txt\nCMD ["/hello.txt"]\n',
    writeContext: (write) => write('hello.txt', 'hello from scratch\n'),
    phases: [{ kind: 'cold', bar: 0.4 }, { kind: 'again' }],
  },
  {
    id: 'W2',
    about: 'busybox, one RUN, three files',
    bases: ['busybox'],
    dockerfile:
      'FROM localhost/busybox\nRUN echo hello > /greeting\nCOPY a.txt b.txt c.txt /data/\nENV MODE=bench LEVEL=1\nCMD ["cat","/greeting"]\n',
    writeContext: (write) => {
      for (const [seed, name] of ['a', 'b', 'c'].entries()) write(`${name}.txt`, makeText(seed, 2048));
    },
    phases: [{ kind: 'cold' }, { kind: 'again' }],
  },
  {
    id: 'W3',
    about: 'twelve instructions on Debian',
    bases: ['debian'],
    dockerfile: TWELVE,
    writeContext: (write) => {
      write('package.json', '{"name":"w3","version":"1.0.0"}\n');
      for (let i = 1; i <= 40; i++) write(`lib/l${i}.js`, makeText(100 + i, 512 * i));
      for (let i = 1; i <= 20; i++) write(`src/s${i}.js`, makeText(200 + i, 3000));
      write('src/main.js', 'console.log(0)\n');
    },
    phases: [
      { kind: 'cold', bar: 0.35 },
      { kind: 'again', bar: 0.2 },
      { kind: 'changed', bar: 0.2 },
    ],
  },
  {
    id: 'W5',
    about: '1 GiB in 64 files',
    bases: ['busybox'],
    dockerfile: 'FROM localhost/busybox\nCOPY blobs/ /blobs/\nCMD ["ls","/blobs"]\n',
    writeContext: (write, scale) => {
      const text = makeText(5, 1 << 20);
      const half = Math.max(1, Math.round(8 * scale)) << 20;
      for (let i = 1; i <= 64; i++) {
        const halves = [makeNoise(i, half), Buffer.alloc(half, text.subarray(i * 1000))];
        write(`blobs/b${i}.bin`, Buffer.concat(halves));
      }
    },
    phases: [{ kind: 'cold', bar: 0.2 }, { kind: 'again' }, { kind: 'push' }, { kind: 'push-again' }],
  },
  {
    id: 'W6',
    about: '50,000 small files',
    bases: ['busybox'],
    dockerfile: 'FROM localhost/busybox\nCOPY node_modules/ /app/node_modules/\nCMD ["true"]\n',
    writeContext: (write, scale) => {
      const random = createRandom(6);
      const text = makeText(6, 64 << 10);
      for (let pkg = 1; pkg <= Math.round(1000 * scale); pkg++) {
        const folder = `node_modules/${pkg % 5 === 0 ? `@scope${pkg % 20}/` : ''}pkg-${pkg}`;
        for (let file = 1; file <= 50; file++) {
          const place = ['test', 'dist/esm', 'lib'][file % 3];
          const path = file === 1 ? `${folder}/package.json` : `${folder}/${place}/m${file}.js`;
          const start = Math.floor(random() * 50_000);
          const size = 200 + Math.floor(11_400 * random() ** 2);
          write(path, `/* ${pkg}.${file} */\n${text.toString('latin1', start, start + size)}`);
        }
      }
    },
    phases: [{ kind: 'cold', bar: 0.15 }, { kind: 'again' }],
  },
  {
    id: 'W7',
    about: 'twenty RUN steps',
    bases: ['debian'],
    dockerfile: `FROM localhost/debian\n${Array.from({ length: 20 }, (_, i) => `RUN echo ${i + 1} > /step.${i + 1}\n`).join('')}`,
    writeContext: () => undefined,
    phases: [{ kind: 'cold', bar: 0.2 }, { kind: 'again' }],
  },
  {
    id: 'W8',
    about: 'four stages that sleep 2 s, side by side',
    bases: ['busybox'],
    dockerfile: [
      ...['a', 'b', 'c', 'd'].map((s) => `FROM localhost/busybox AS ${s}\nRUN sleep 2 && seq 2000 > /out.${s}\n`),
      'FROM localhost/busybox\n',
      ...['a', 'b', 'c', 'd'].map((s) => `COPY --from=${s} /out.${s} /out.${s}\n`),
    ].join(''),
    writeContext: () => undefined,
    phases: [{ kind: 'cold' }],
  },
  {
    id: 'W9',
    about: 'pull of a Node image and one RUN',
    bases: ['node'],
    dockerfile: 'ARG REGISTRY\nFROM ${REGISTRY}/node\nRUN true\n',
    writeContext: () => undefined,
    phases: [{ kind: 'pull' }],
  },
  {
    id: 'W11',
    about: 'Node app in two stages',
    bases: ['debian', 'node'],
    dockerfile: `FROM localhost/debian AS build
WORKDIR /app
COPY package.json ./
RUN for p in $(seq 60); do mkdir -p node_modules/p$p; for f in $(seq 50); do echo "module.exports = $p * $f" > node_modules/p$p/f$f.js; done; done
COPY src/ src/
RUN mkdir dist && cat src/*.js > dist/bundle.js && sha256sum dist/bundle.js > dist/bundle.sum
FROM localhost/node
ENV NODE_ENV=production
WORKDIR /srv
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/dist dist
COPY src/index.js ./
RUN node index.js > built.txt && chown -R node:node /srv/dist
USER node
CMD ["node","index.js"]
`,
    writeContext: (write) => {
      write('package.json', '{"name":"w11","version":"1.0.0"}\n');
      for (let i = 1; i <= 60; i++) write(`src/s${i}.js`, makeText(300 + i, 4000));
      write('src/index.js', 'console.log("ok")\n');
    },
    phases: [{ kind: 'cold' }, { kind: 'again' }],
  },
  {
    id: 'W12',
    about: 'a cache in the registry, on Node',
    bases: ['node'],
    dockerfile:
      'ARG REGISTRY\nFROM ${REGISTRY}/node\nCOPY noise.bin /\nRUN seq 2000000 > /numbers && cp /noise.bin /copy\n',
    writeContext: (write) => write('noise.bin', makeNoise(12, 32 << 20)),
    phases: [{ kind: 'leave' }, { kind: 'take' }],
  },
];

/** Writes the Dockerfile and the context of a workload into a fresh folder, with fixed times. */
export function writeWorkload(workload: Workload, folder: string, scale: number): void {
  const write = (path: string, bytes: string | Buffer): void => {
    const file = join(folder, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, bytes);
    utimesSync(file, STAMP, STAMP);
  };
  write('Dockerfile', workload.dockerfile);
  write('.dockerignore', 'Dockerfile\n.dockerignore\n');
  workload.writeContext(write, scale);
}
