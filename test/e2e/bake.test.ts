import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
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
    const { exitCode, stderr } = await bake('--metadata-file', join(root, 'metadata.json'));
    expect(stderr).toMatch(/app +built in .* app:dev/);
    expect(stderr).toMatch(/tools-two +built in .* tools-two:dev/);
    expect(exitCode).toBe(0);
    const layers = async (name: string): Promise<number> =>
      (JSON.parse((await zlayer.run(['inspect', name])).stdout) as [{ RootFS: { Layers: readonly unknown[] } }])[0]
        .RootFS.Layers.length;
    expect([await layers('app:dev'), await layers('tools-two:dev')]).toEqual([2, 2]);
  });

  it('prints what it would build', async () => {
    const { stdout } = await bake('--print', '--var', 'TAG=2', 'app');
    expect(JSON.parse(stdout)).toMatchObject({
      group: { default: { targets: ['app'] } },
      target: { app: { tags: ['app:2'], context: 'app' }, base: { context: '.' } },
    });
  });

  it('lists targets and variables', async () => {
    expect((await bake('--list=targets')).stdout).toMatch(/default +group: app, tools/);
    expect((await bake('--list=variables')).stdout).toMatch(/TAG +"dev"/);
  });

  it('stops at a failure, or goes on with what does not need it', async () => {
    const broken = ['--set', 'base.dockerfile-inline=FROM scratch\nCOPY missing /\n', 'app', 'tools-one'];
    const stopped = await bake(...broken);
    expect(stopped.exitCode).toBe(1);
    expect(stopped.stderr).toMatch(/base +failed[\s\S]*app +not begun[\s\S]*tools-one +not begun/);
    const wentOn = await bake('--keep-going', ...broken);
    expect(wentOn.exitCode).toBe(1);
    expect(wentOn.stderr).toMatch(/base +failed[\s\S]*app +skipped: needs base[\s\S]*tools-one +built/);
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
