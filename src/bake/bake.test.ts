import { describe, expect, it } from 'vitest';
import { type BakeFile, loadBake, parseOverride, printSelection, selectTargets } from './index.ts';

const OUTSIDE = { nowMs: () => 0, homeDir: undefined, localPlatform: 'linux/amd64' };

interface Given {
  readonly env?: Readonly<Record<string, string>>;
  readonly names?: readonly string[];
  readonly set?: readonly string[];
}

function hcl(text: string): BakeFile {
  return { fileName: 'docker-bake.hcl', text };
}

function bake(files: readonly BakeFile[], { env = {}, names = [], set = [] }: Given = {}) {
  const project = loadBake(files, { ...OUTSIDE, env });
  return JSON.parse(printSelection(selectTargets(project, names, set.map(parseOverride)))) as {
    readonly group: Record<string, unknown>;
    readonly target: Record<string, Record<string, unknown>>;
  };
}

const PROJECT = `
variable "TAG" { default = "latest" }
variable "REGISTRY" { default = "" }
variable "DEBUG" {
  type = bool
  default = false
}
function "image" {
  params = [name]
  result = REGISTRY == "" ? "\${name}:\${TAG}" : "\${REGISTRY}/\${name}:\${TAG}"
}
group "default" { targets = ["app", "tools"] }
target "_common" {
  args = { GO = "1.22", MODE = DEBUG ? "debug" : "release" }
  labels = { team = "core" }
}
target "app" {
  inherits = ["_common"]
  dockerfile = "app.Dockerfile"
  args = { MODE = "fast" }
  tags = [image("app")]
  contexts = { base = "target:base" }
}
target "tools" {
  name = "tools-\${os}"
  matrix = { os = ["debian", "alpine"] }
  inherits = ["_common"]
  target = "tools-\${os}"
  tags = [image("tools-\${os}")]
}
target "base" { target = "base" }
`;

describe('bake files in HCL', () => {
  it('makes targets of variables, functions, inheritance and a matrix, and puts what others need first', () => {
    const { target, group } = bake([hcl(PROJECT)], { env: { TAG: '2.0', REGISTRY: 'registry.example.com' } });
    expect(Object.keys(target)).toEqual(['base', 'app', 'tools-debian', 'tools-alpine']);
    expect(target.app).toEqual({
      context: '.',
      dockerfile: 'app.Dockerfile',
      args: { GO: '1.22', MODE: 'fast' },
      labels: { team: 'core' },
      tags: ['registry.example.com/app:2.0'],
      contexts: { base: 'target:base' },
    });
    expect(target['tools-alpine']).toMatchObject({
      target: 'tools-alpine',
      tags: ['registry.example.com/tools-alpine:2.0'],
    });
    expect(group).toEqual({ default: { targets: ['app', 'tools'] } });
  });

  it('reads variables of the environment by their type', () => {
    const { target } = bake([hcl(PROJECT)], { env: { DEBUG: '1' }, names: ['tools-debian'] });
    expect(target['tools-debian']?.args).toEqual({ GO: '1.22', MODE: 'debug' });
    expect(() => bake([hcl(PROJECT)], { env: { DEBUG: 'maybe' } })).toThrow('set to "maybe", which is no bool');
  });

  it('takes lists of the environment as CSV or JSON', () => {
    const file = hcl('variable "P" { default = ["a"] }\ntarget "default" { platforms = P }\n');
    expect(bake([file], { env: { P: 'linux/amd64, linux/arm64' } }).target.default?.platforms).toEqual([
      'linux/amd64',
      'linux/arm64',
    ]);
    expect(bake([file], { env: { P: '["x"]' } }).target.default?.platforms).toEqual(['x']);
  });

  it('says of a variable that its checks do not hold', () => {
    const file = hcl(
      'variable "V" {\n  default = "x"\n  validation {\n    condition = V == "y"\n    error_message = "V is y."\n  }\n}\ntarget "default" {}\n',
    );
    expect(() => bake([file])).toThrow('The variable "V" has a value that is not allowed: V is y.');
  });

  it('leaves out items and attributes that are null', () => {
    const file = hcl(
      'target "default" {\n  target = null\n  tags = ["a", false ? "b" : null]\n  args = { X = null, Y = 1 }\n}\n',
    );
    expect(bake([file]).target.default).toEqual({
      context: '.',
      dockerfile: 'Dockerfile',
      tags: ['a'],
      args: { Y: '1' },
    });
  });

  it('writes outputs and caches given as objects as the options have them', () => {
    const file = hcl(
      'target "default" {\n  output = [{ type = "local", dest = "a,b" }]\n  cache-from = ["x", { type = "registry", ref = "r" }]\n}\n',
    );
    expect(bake([file]).target.default).toMatchObject({
      output: ['type=local,"dest=a,b"'],
      'cache-from': ['x', 'type=registry,ref=r'],
    });
  });

  it('lets expressions take what other targets and groups say', () => {
    const file = hcl(`
      target "base" {
        args = { GO = "1.22" }
        tags = ["base:\${target.base.args.GO}"]
      }
      target "default" {
        args = { GO = "\${target.base.args.GO}", ALL = join(",", group.all.targets) }
        tags = target.base.tags
      }
      group "all" { targets = ["base", "os"] }
    `);
    expect(bake([file]).target.default).toMatchObject({ args: { GO: '1.22', ALL: 'base,os' }, tags: ['base:1.22'] });
    const loop = hcl(
      'target "default" {\n  tags = target.other.tags\n}\ntarget "other" { tags = target.default.tags }\n',
    );
    expect(() => bake([loop])).toThrow('target.default.tags → target.other.tags');
  });

  it('merges a later file over an earlier one: maps by key, the rest whole', () => {
    const first = hcl('target "default" {\n  args = { A = 1, B = 2 }\n  tags = ["one"]\n}\n');
    const second = hcl('target "default" {\n  args = { B = 3 }\n  tags = ["two"]\n}\n');
    expect(bake([first, second]).target.default).toMatchObject({ args: { A: '1', B: '3' }, tags: ['two'] });
  });

  it.each([
    ['target "default" { tgas = ["x"] }', 'There is no attribute "tgas" here.', 'Did you mean "tags"?'],
    ['trget "default" {}', 'There is no block "trget".', 'Did you mean "target"?'],
    ['target "default" { tags = "x" }', 'tags is string, and should be a list of strings.', undefined],
    [
      'target "default" { inherits = ["bse"] }\ntarget "base" {}',
      'There is no target "bse"; the nearest is "base".',
      undefined,
    ],
    ['target "default" { inherits = ["default"] }', 'inherits from itself: default → default', undefined],
    ['group "default" { targets = ["default"] }', 'The group "default" holds itself', undefined],
    ['target "default" { contexts = { x = "target:default" } }', 'need each other: default → default', undefined],
    ['variable "A" { default = B }\nvariable "B" { default = A }\ntarget "default" {}', 'needs itself', undefined],
    [
      'target "default" {}\ngroup "other" { targets = ["nothing"] }',
      'There is no target or group "nothing"',
      undefined,
    ],
  ])('refuses %s', (text, message, hint) => {
    const names = text.includes('"other"') ? ['other'] : [];
    expect(() => bake([hcl(text)], { names })).toThrow(
      expect.objectContaining({
        code: 'BAKE_INVALID',
        message: expect.stringContaining(message),
        ...(hint === undefined ? {} : { hint }),
      }),
    );
  });
});

describe('bake files in JSON', () => {
  it('say the same, with templates in their strings', () => {
    const text = JSON.stringify({
      variable: { TAG: { default: 'v1' } },
      group: { default: { targets: ['app'] } },
      target: { app: { tags: ['app:${TAG}'], args: { A: 1 } } },
    });
    const { target } = bake([{ fileName: 'docker-bake.json', text }], { env: { TAG: 'v2' } });
    expect(target.app).toMatchObject({ tags: ['app:v2'], args: { A: '1' } });
  });

  it.each([
    ['{\n  "target": {\n    "a": { "tgas": [] }\n  }\n}', 'There is no attribute "tgas" here.', '3:12'],
    ['{\n  "target": {\n    "a": { "tags": "x" }\n  }\n}', 'tags is string', '3:12'],
    ['{\n  "target": {\n    "a": { "tags": ["${V}"] }\n  }\n}', 'There is no variable "V"', '3:21'],
    ['{\n  "target": []\n}', '"target" should be an object by name.', '2:3'],
    ['{\n  "target": {,}\n}', 'docker-bake.json is no JSON', '2:14'],
  ])('say where they are wrong: %j', (text, message, place) => {
    let thrown: unknown;
    try {
      bake([{ fileName: 'docker-bake.json', text }]);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toMatchObject({ code: 'BAKE_INVALID', message: expect.stringContaining(message) });
    const { start } = (thrown as { location: { range: { start: { line: number; column: number } } } }).location.range;
    expect(`${start.line}:${start.column}`).toBe(place);
  });

  it('are refused with their name when they are no JSON', () => {
    expect(() => bake([{ fileName: 'docker-bake.json', text: '{' }])).toThrow('docker-bake.json is no JSON');
  });
});

describe('compose files', () => {
  const text = `
services:
  web:
    image: registry.example.com/web:\${TAG:-dev}
    build:
      context: ./web
      dockerfile: Dockerfile.web
      args:
        - MODE=fast
        - FROM_ENV
      additional_contexts:
        base: service:db
      secrets: [npm]
      ulimits: { nofile: { soft: 10, hard: 20 } }
      x-bake:
        platforms: [linux/amd64, linux/arm64]
        no-cache: true
  db:
    build: ./db
  proxy:
    image: nginx
secrets:
  npm: { file: ./npmrc }
`;
  const file = { fileName: 'compose.yaml', text };

  it('give a target for every service that is built', () => {
    const { target, group } = bake([file], { env: { FROM_ENV: 'yes' }, names: ['web', 'db'] });
    expect(Object.keys(target)).toEqual(['db', 'web']);
    expect(target.web?.contexts).toEqual({ base: 'target:db' });
    expect(target.web).toMatchObject({
      context: './web',
      dockerfile: 'Dockerfile.web',
      args: { MODE: 'fast', FROM_ENV: 'yes' },
      tags: ['registry.example.com/web:dev'],
      secret: ['id=npm,src=./npmrc'],
      ulimits: ['nofile=10:20'],
      platforms: ['linux/amd64', 'linux/arm64'],
      'no-cache': true,
    });
    expect(group.default).toEqual({ targets: ['web', 'db'] });
  });

  it('need the variables that they say they need', () => {
    const strict = { fileName: 'compose.yaml', text: 'services: { a: { build: "${DIR:?set the directory}" } }' };
    expect(() => bake([strict])).toThrow('The variable DIR is needed: set the directory');
    expect(bake([strict], { env: { DIR: 'x' } }).target.a?.context).toBe('x');
  });

  it('say where they are no YAML', () => {
    expect(() => bake([{ fileName: 'compose.yaml', text: 'services:\n  a: [\n' }])).toThrow(
      expect.objectContaining({
        code: 'BAKE_INVALID',
        location: expect.objectContaining({ fileName: 'compose.yaml' }),
      }),
    );
  });
});

describe('--set', () => {
  const file = hcl('target "app" {\n  args = { A = 1 }\n  tags = ["x"]\n}\ntarget "api" {}\n');

  it('changes the targets that match: a list is replaced by the first and added to by the next', () => {
    const { target } = bake([file], {
      set: ['*.platform=linux/arm64', 'app.args.B=2', 'app.tags=y', 'app.tags=z', 'ap*.no-cache=true', 'api.target=t'],
    });
    expect(target.app).toMatchObject({
      args: { A: '1', B: '2' },
      tags: ['y', 'z'],
      platforms: ['linux/arm64'],
      'no-cache': true,
    });
    expect(target.api).toMatchObject({ target: 't', 'no-cache': true });
  });

  it('adds to a list with +=', () => {
    expect(bake([file], { set: ['app.tags+=more'] }).target.app?.tags).toEqual(['x', 'more']);
  });

  it.each([['app'], ['app.tgas=x'], ['app.args=x'], ['app.tags.x=y']])('refuses %s', (text) => {
    expect(() => parseOverride(text)).toThrow(expect.objectContaining({ code: 'USAGE' }));
  });
});
