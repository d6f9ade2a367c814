import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ProgramResult } from '../support/process.ts';
import { makeTempDir, removeTempDir } from '../support/temp-dir.ts';
import { createZlayer, type Zlayer } from '../support/zlayer.ts';

const FILE = `
variable "TAG" { default = "dev" }
group "default" { targets = ["app", "tools"] }
target "base" {
  dockerfile-inline = <<-END
    FROM scratch
    COPY shared.txt /shared.txt
  END
}
target "app" {
  context = "app"
  contexts = { base = "target:base" }
  tags = ["app:\${TAG}"]
}
target "tools" {
  name = "tools-\${kind}"
  matrix = { kind = ["one", "two"] }
  dockerfile = "tools.Dockerfile"
  target = kind
  tags = ["tools-\${kind}:\${TAG}"]
}
`;

/** Events of `--progress=rawjson`, and the verdicts at their end. */
function readEvents({ stderr }: ProgramResult) {
  const events = stderr
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Readonly<Record<string, unknown>> & { readonly kind: string });
  const last = events.at(-1) as unknown as {
    readonly kind: string;
    readonly targets: Readonly<Record<string, { readonly kind: string }>>;
  };
  return { events, last };
}

describe('zlayer bake', () => {
  const root = makeTempDir('bake');
  const project = join(root, 'project');
  let zlayer: Zlayer;

  beforeAll(() => {
    zlayer = createZlayer(join(root, 'store'));
    mkdirSync(join(project, 'app'), { recursive: true });
    const files = {
      'docker-bake.hcl': FILE,
      'shared.txt': 'shared',
      'app/Dockerfile': 'FROM base\nCOPY app.txt /app.txt\n',
      'app/app.txt': 'app',
      'tools.Dockerfile': 'FROM scratch AS one\nCOPY shared.txt /one\nFROM one AS two\nCOPY shared.txt /two\n',
    };
    for (const [name, text] of Object.entries(files)) writeFileSync(join(project, name), text);
  });
  afterAll(() => removeTempDir(root));

  const bake = (...args: readonly string[]) => zlayer.tryRun(['bake', '--progress=plain', ...args], { cwd: project });

  it('builds the group with what it needs, and says what became of each', async () => {
    const metadata = join(root, 'metadata.json');
    const { exitCode, stderr } = await bake('--metadata-file', metadata);
    expect(stderr).toMatch(/app +built +[\d.]+s +\S+B +[0-9a-f]{12} +app:dev/);
    expect(stderr).toMatch(/tools-two +built .* tools-two:dev/);
    expect(stderr).toContain('[app 1/2] FROM target:base');
    expect(exitCode).toBe(0);
    expect(Object.keys(JSON.parse(readFileSync(metadata, 'utf8')) as object)).toEqual([
      'base',
      'app',
      'tools-one',
      'tools-two',
    ]);
    const layers = async (name: string): Promise<number> =>
      (JSON.parse((await zlayer.run(['inspect', name])).stdout) as [{ RootFS: { Layers: readonly unknown[] } }])[0]
        .RootFS.Layers.length;
    expect([await layers('app:dev'), await layers('tools-two:dev')]).toEqual([2, 2]);
  });

  it('does a step that several targets need once, also without the cache, and tells its events by target', async () => {
    const result = await bake('--no-cache', '--progress=rawjson', 'tools');
    const { events, last } = readEvents(result);
    const steps = events.flatMap((event) => {
      const vertices = (event['vertices'] ?? []) as ReadonlyArray<{ readonly id: string; readonly name: string }>;
      return vertices.map(({ id, name }) => [id, name] as const);
    });
    const names = new Map(steps);
    const ran = events.filter(
      (event) =>
        event.kind === 'vertex-completed' &&
        (event['verdict'] as { readonly kind: string } | undefined)?.kind === 'run',
    );
    expect(ran.map(({ vertex }) => names.get(vertex as string))).toEqual([
      expect.stringContaining('COPY shared.txt /one'),
      expect.stringContaining('COPY shared.txt /two'),
    ]);
    expect(new Set(events.slice(0, -1).map(({ target }) => target))).toEqual(new Set(['tools-one', 'tools-two']));
    expect(last).toMatchObject({
      kind: 'bake-completed',
      targets: { 'tools-one': { kind: 'built' }, 'tools-two': { kind: 'built' } },
    });
  });

  it('prints what it would build', async () => {
    const { stdout } = await bake('--print', '--var', 'TAG=2', 'app');
    expect(JSON.parse(stdout)).toMatchObject({
      group: { default: { targets: ['app'] } },
      target: { app: { tags: ['app:2'], context: 'app' }, base: { context: '.', output: ['type=cacheonly'] } },
    });
  });

  it('lists targets and variables', async () => {
    expect((await bake('--list=targets')).stdout).toMatch(/default +group: app, tools/);
    expect((await bake('--list=variables')).stdout).toMatch(/TAG +"dev"/);
  });

  it('ends everything at a failure, or goes on with what does not need it', async () => {
    const broken = ['--set', 'base.dockerfile-inline=FROM scratch\nCOPY missing /\n', 'app', 'tools-one'];
    const stopped = await bake('--parallelism=1', ...broken);
    expect(stopped.exitCode).toBe(1);
    expect(stopped.stderr).toMatch(/\nbase\nerror: .*missing[\s\S]*base\.dockerfile-inline:2:/);
    expect(stopped.stderr).toMatch(/base +failed .*SOURCE_NOT_FOUND\napp +cancelled\ntools-one +cancelled/);
    const wentOn = await bake('--keep-going', ...broken);
    expect(wentOn.exitCode).toBe(1);
    expect(wentOn.stderr).toMatch(/base +failed .*\napp +skipped +needs base\ntools-one +built/);
  });

  it('builds what a TypeScript file describes, over the other files', async () => {
    const config = `
      import { defineConfig } from 'zlayer-builder';
      import { files } from './files.ts';
      export default defineConfig(({ env }) => ({
        targets: {
          app: { tags: ['app:typed-' + env['TAG']], contexts: { base: 'target:typed' } },
          typed: { dockerfileInline: ['FROM scratch', ...files.map((name: string) => 'COPY ' + name + ' /')].join('\\n') },
        },
      }));
    `;
    writeFileSync(join(project, 'zlayer.config.ts'), config);
    writeFileSync(
      join(project, 'files.ts'),
      "export const files: readonly string[] = ['shared.txt', 'tools.Dockerfile'];",
    );
    try {
      const { stderr, exitCode } = await bake('--var', 'TAG=3', 'app');
      expect(stderr).toContain('[typed 3/3] COPY tools.Dockerfile /');
      expect(stderr).toMatch(/app +built .* app:typed-3/);
      expect(exitCode).toBe(0);
    } finally {
      rmSync(join(project, 'zlayer.config.ts'));
    }
  });

  it('reads the Dockerfiles instead of building, and builds nothing that asks for more than is granted', async () => {
    const outline = await bake('--call=outline,format=json', 'app', 'tools-one');
    expect(Object.keys(JSON.parse(outline.stdout) as object)).toEqual(['base', 'app', 'tools-one']);
    const refused = await bake(
      '--set',
      'app.entitlements=security.insecure',
      '--set',
      'base.output=../out',
      'app',
      'base',
    );
    expect(refused.exitCode).toBe(3);
    expect(refused.stderr.replace(/\s+/g, ' ')).toMatch(
      /app asks for security\.insecure.*NOT_ALLOWED.*--allow fs\.write=/,
    );
  });

  it('points at what is wrong in the file, before it builds anything', async () => {
    writeFileSync(join(root, 'wrong.hcl'), 'target "default" {\n  tgas = ["x"]\n}\n');
    const { exitCode, stderr } = await bake('-f', join(root, 'wrong.hcl'));
    expect(exitCode).toBe(1);
    expect(stderr).toContain('There is no attribute "tgas" here.');
    expect(stderr).toContain('wrong.hcl:2:3');
    expect(stderr).toContain('Did you mean "tags"?');
  });
});
