import { describe, expect, it } from 'vitest';
import { type BakeConfig, defineConfig, loadBake, printSelection, selectTargets } from './index.ts';

const OUTSIDE = { env: {}, nowMs: () => 0, homeDir: undefined, localPlatform: 'linux/amd64' };

function bake(config: unknown, text = '') {
  const project = loadBake([{ fileName: 'zlayer.config.ts', text, config }], OUTSIDE);
  return JSON.parse(printSelection(selectTargets(project, []))) as Readonly<Record<string, unknown>>;
}

const CONFIG: BakeConfig = defineConfig({
  targets: {
    common: { args: { NODE: 22, DEBUG: false, UNSET: undefined }, platforms: ['linux/amd64', 'linux/arm64'] },
    app: {
      inherits: ['common'],
      dockerfileInline: 'FROM base\n',
      contexts: { base: 'target:common' },
      tags: ['app:1'],
      args: { NODE: 20 },
      output: ['type=cacheonly', { type: 'oci', dest: 'a,b', compressionLevel: 3 }],
      cacheFrom: [{ type: 'registry', ref: 'r' }],
      secret: [{ id: 'npm', env: 'TOKEN' }],
      noCacheFilter: ['deps'],
      extraHosts: { db: '10.0.0.2' },
      ulimits: { nofile: { soft: 10, hard: 20 }, core: 0 },
      pull: true,
    },
  },
  groups: { default: ['app'] },
});

describe('readConfig()', () => {
  it('gives the targets and groups that a bake file would', () => {
    expect(bake(CONFIG)).toMatchObject({
      group: { default: { targets: ['app'] } },
      target: {
        common: { args: { NODE: '22', DEBUG: 'false' } },
        app: {
          args: { NODE: '20', DEBUG: 'false' },
          'dockerfile-inline': 'FROM base\n',
          platforms: ['linux/amd64', 'linux/arm64'],
          output: ['type=cacheonly', 'type=oci,"dest=a,b",compression-level=3'],
          'cache-from': ['type=registry,ref=r'],
          secret: ['id=npm,env=TOKEN'],
          'no-cache-filter': ['deps'],
          'extra-hosts': { db: '10.0.0.2' },
          ulimits: ['nofile=10:20', 'core=0'],
          pull: true,
        },
      },
    });
  });

  it.each<readonly [config: unknown, text: string, message: string, place: string]>([
    [
      { targets: { app: { tgas: ['x'] } } },
      'x({\n  targets: {\n    app: { tgas: [] } } })',
      'There is no "tgas" in targets.app.',
      '3:12',
    ],
    [
      { targets: { app: { tags: 'x' } } },
      "x({\n  targets: {\n    'app': {\n      tags: 'x',",
      'Targets.app.tags is a string, and should be a list.',
      '4:7',
    ],
    [{ targets: { app: null } }, 'targets: { app }', 'Targets.app is null, and should be an object.', '1:1'],
    [{ targets: {}, group: {} }, 'targets: {},\ngroup: {}', 'There is no "group" in the config.', '2:1'],
    [[], '', 'The config is a list, and should be an object.', '1:1'],
    [{ targets: { 'a b': {} } }, "targets: { 'a b': {} }", '"a b" cannot be a name', '1:12'],
    [{ targets: { a: { inherits: ['b'] } } }, 'targets: {\n  a: { inherits }', 'There is no target "b"', '2:3'],
  ])('says where it is wrong: %j', (config, text, message, place) => {
    let thrown: unknown;
    try {
      bake(config, text);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toMatchObject({ code: 'BAKE_INVALID', message: expect.stringContaining(message) });
    const { start } = (thrown as { location: { range: { start: { line: number; column: number } } } }).location.range;
    expect(`${start.line}:${start.column}`).toBe(place);
  });
});
