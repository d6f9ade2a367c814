import { createBakeScope } from './bake-scope.ts';
import { parseHcl } from './hcl/parse-body.ts';
import { mergeGroups, mergeTargets } from './merge-targets.ts';
import type { ParsedFile } from './parsed-file.ts';
import { readCompose } from './read-compose.ts';
import { readConfig } from './read-config.ts';
import { parseBakeJson } from './read-json.ts';
import { type FileTargets, readTargets } from './read-targets.ts';
import type { BakeFile, BakeOutside, BakeProject, ConfigFile } from './types.ts';

/**
 * Reads bake and compose files into the targets that they define. What a later file says counts over what an earlier one
 * says of the same name. A name that ends in `.yaml` or `.yml` is a compose file, one that ends in `.json` a bake file in
 * JSON; others are HCL. A config file comes with the value that it exports.
 *
 * @throws BuildError `BAKE_INVALID` with its place.
 */
export function loadBake(files: ReadonlyArray<BakeFile | ConfigFile>, outside: BakeOutside): BakeProject {
  const parsed = files.flatMap((file): ParsedFile[] =>
    isCompose(file) || 'config' in file ? [] : [{ file, body: parse(file) }],
  );
  const scope = createBakeScope(parsed, outside);
  const read = files.map((file): FileTargets => {
    if ('config' in file) return readConfig(file);
    const own = parsed.find((each) => each.file === file);
    return own === undefined
      ? readCompose(file, { env: { ...outside.envFile, ...outside.env } })
      : readTargets(own, scope);
  });
  return {
    targets: mergeTargets(read.flatMap(({ targets }) => targets)),
    groups: mergeGroups(read.flatMap(({ groups }) => groups)),
    variables: scope.variables(),
  };
}

function isCompose({ fileName }: BakeFile): boolean {
  return /\.ya?ml$/i.test(fileName);
}

function parse(file: BakeFile): ParsedFile['body'] {
  return /\.json$/i.test(file.fileName) ? parseBakeJson(file) : parseHcl(file);
}
