export {
  type BakeConfig,
  type ConfigCache,
  type ConfigContext,
  type ConfigExport,
  type ConfigLimit,
  type ConfigMap,
  type ConfigOutput,
  type ConfigSecret,
  type ConfigTarget,
  type ConfigValue,
  defineConfig,
} from './config.ts';
export { loadBake } from './load-bake.ts';
export { type Override, parseOverride } from './override-target.ts';
export { parseEnvFile } from './parse-env-file.ts';
export { parseJsonFile } from './parse-yaml.ts';
export { type BakeSelection, printSelection, selectTargets, targetsNeededBy } from './select-targets.ts';
export type { BakeFile, BakeGroup, BakeOutside, BakeProject, BakeTarget, BakeVariable, ConfigFile } from './types.ts';
