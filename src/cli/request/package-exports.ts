/** What `import … from 'zlayer-builder'` gives a config file: the values of the package's public face. */
export async function packageExports(): Promise<Readonly<Record<string, unknown>>> {
  const [backends, bake, core, dockerfile] = await Promise.all([
    import('../../backends/index.ts'),
    import('../../bake/index.ts'),
    import('../../core/index.ts'),
    import('../../dockerfile/index.ts'),
  ]);
  return pick({ ...backends, ...dockerfile, ...core, defineConfig: bake.defineConfig, bake: backends.bake });
}

const NAMES = [
  'BuildError',
  'bake',
  'build',
  'check',
  'copyImage',
  'defineConfig',
  'exitCodeOf',
  'isBuildError',
  'outline',
  'parseDockerfile',
  'parseReference',
  'plan',
  'pull',
  'push',
  'targets',
];

function pick(all: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return Object.fromEntries(NAMES.map((name) => [name, all[name]]));
}
