import { describe, expect, it } from 'vitest';
import { type BakeTarget, loadBake, parseEnvFile, printSelection, selectTargets } from './index.ts';

const OUTSIDE = { nowMs: () => 0, homeDir: undefined, localPlatform: 'linux/amd64' };

function targetsOf(
  text: string,
  env: Readonly<Record<string, string>> = {},
  envFile: Readonly<Record<string, string>> = {},
): Readonly<Record<string, BakeTarget>> {
  const project = loadBake([{ fileName: 'compose.yaml', text }], { ...OUTSIDE, env, envFile });
  return (JSON.parse(printSelection(selectTargets(project, []))) as { target: Record<string, BakeTarget> }).target;
}

const PROJECT = `
name: shop
x-build: &build
  context: .
  args: &args
    NODE_VERSION: \${NODE_VERSION:-22}
services:
  web:
    profiles: [frontend]
    image: "ghcr.io/shop/web:\${TAG}"
    build:
      <<: *build
      target: production
      additional_contexts:
        - shared=service:lib.core
        - docs=https://example.com/docs.git
      extra_hosts: ["db:10.0.0.2", "cache=10.0.0.3"]
      ssh: [default]
      network: host
      pull: "true"
      no_cache: true
      cache_from: ["type=registry,ref=ghcr.io/shop/web:cache"]
      shm_size: 128m
      provenance: false
      x-bake:
        platforms: linux/amd64
        tags: [ghcr.io/shop/web:main]
        no_cache_filter: [deps]
        output: [type=docker]
  lib.core:
    build:
      dockerfile_inline: |
        FROM scratch
        COPY lib /
  worker:
    extends:
      service: web
    image: worker
    build:
      target: worker
      args:
        <<: *args
        MODE: worker
      x-bake: { tags: [worker:main] }
      ulimits: { nproc: 65535 }
      secrets:
        - source: token
          target: npm
        - cert
  db:
    image: postgres
secrets:
  token: { environment: NPM_TOKEN }
  cert: { file: ./cert.pem }
`;

describe('readCompose()', () => {
  it('reads what compose files of the wild have, anchors, merge keys and extended services too', () => {
    const targets = targetsOf(PROJECT, { NODE_VERSION: '20' }, { TAG: '1', NODE_VERSION: '18' });
    expect(Object.keys(targets)).toEqual(['lib_core', 'web', 'worker']);
    expect(targets['web']).toEqual({
      context: '.',
      dockerfile: 'Dockerfile',
      args: { NODE_VERSION: '20' },
      target: 'production',
      contexts: { shared: 'target:lib_core', docs: 'https://example.com/docs.git' },
      'extra-hosts': { db: '10.0.0.2', cache: '10.0.0.3' },
      ssh: ['default'],
      network: 'host',
      pull: true,
      'no-cache': true,
      'cache-from': ['type=registry,ref=ghcr.io/shop/web:cache'],
      'shm-size': '128m',
      platforms: ['linux/amd64'],
      tags: ['ghcr.io/shop/web:main'],
      'no-cache-filter': ['deps'],
      output: ['type=docker'],
    });
    expect(targets['worker']).toMatchObject({
      target: 'worker',
      args: { NODE_VERSION: '20', MODE: 'worker' },
      tags: ['worker:main'],
      ulimits: ['nproc=65535'],
      secret: ['id=npm,env=NPM_TOKEN', 'id=cert,src=./cert.pem'],
    });
  });

  it.each<[yaml: string, message: string, place: string, hint?: string]>([
    ['services:\n  a:\n    build:\n      contxt: .\n', '`build:` has no "contxt"', '4:7', 'Did you mean "context"?'],
    ['services:\n  a:\n    build:\n      tags:\n        - [x]\n', 'A list or an object stands', '5:11'],
    [
      'services:\n  a:\n    build:\n      secrets: [tokn]\nsecrets:\n  token: {}\n',
      'There is no secret "tokn"',
      '4:17',
      'Did you mean "token"?',
    ],
    ['services:\n  a:\n    extends: bse\n  base: {}\n', 'There is no service "bse"', '3:5', 'Did you mean "base"?'],
    ['services:\n  a: { extends: a }\n', 'The service "a" extends itself', '2:8'],
    [
      'services:\n  a:\n    extends: { service: b, file: other.yaml }\n',
      'of another file',
      '3:28',
      'Name both files with -f.',
    ],
    ['include: [other.yaml]\n', '`include` is not read', '1:1', 'Name the other files with -f.'],
    ['services: [a]\n', '`services:` is no object', '1:1'],
    ['services:\n  a:\n    build:\n      privileged: true\n', '`privileged` is not supported', '4:7'],
    ['services:\n  a:\n    build:\n      x-bake:\n        platfoms: [x]\n', '`x-bake:` has no "platfoms"', '5:9'],
    ['services:\n  a:\n    build: "${DIR:?where}"\n', 'The variable DIR is needed: where', '3:5'],
    ['services:\n  a: b: c\n', 'compose.yaml is no YAML', '2:6'],
  ])('says where it is wrong: %j', (text, message, place, hint) => {
    let thrown: unknown;
    try {
      targetsOf(text);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toMatchObject({ code: 'BAKE_INVALID', message: expect.stringContaining(message) });
    const { location, hint: given } = thrown as {
      hint?: string;
      location: { range: { start: Record<string, number> } };
    };
    const { line, column } = location.range.start;
    expect(`${line}:${column}`).toBe(place);
    if (hint !== undefined) expect(given).toBe(hint);
  });
});

describe('parseEnvFile()', () => {
  it('reads plain, quoted and commented values', () => {
    const text = '# c\nA=1\nexport B = "x\\n\\"y"\nC=\'q # q\'\nD=a#b\nE=v # comment\nF=\n\nG="two\nlines"\r\nH=last';
    expect(parseEnvFile(text)).toEqual({
      A: '1',
      B: 'x\n"y',
      C: 'q # q',
      D: 'a#b',
      E: 'v',
      F: '',
      G: 'two\nlines',
      H: 'last',
    });
  });
});
