import type { OptionTable } from '../options/option-table.ts';
import { BACKEND_OPTION, DATA_DIR_OPTION, PROGRESS_OPTION } from '../options/shared-options.ts';

/** `zlayer bake`: buildx bake's options. */
export const BAKE_OPTIONS = {
  file: {
    kind: 'list',
    short: 'f',
    placeholder: 'FILE',
    help: 'Bake file (HCL, or JSON by its name), compose file (YAML), or config file (TypeScript, JavaScript); "-" reads HCL from standard input',
    complete: 'file',
  },
  set: {
    kind: 'list',
    placeholder: 'TARGET.KEY=VALUE',
    help: 'Change an attribute of the targets that match, such as "*.platforms=linux/arm64" or app.args.VERSION=2; += adds to a list',
  },
  var: { kind: 'list', placeholder: 'NAME=VALUE', help: 'Value of a variable, before that of the environment' },
  print: { kind: 'boolean', help: 'Print what would be built, as JSON, without building' },
  list: {
    kind: 'text',
    placeholder: 'WHAT',
    help: 'List what the files define instead of building',
    choices: ['targets', 'variables'],
  },
  push: { kind: 'boolean', help: 'Push every tag of every target' },
  'no-cache': { kind: 'boolean', help: 'Run every step, whatever the cache holds' },
  pull: { kind: 'boolean', help: 'Look base images up in their registries anew' },
  'keep-going': { kind: 'boolean', help: 'After a failure build the targets that do not need the failed one' },
  parallelism: {
    kind: 'count',
    placeholder: 'N',
    help: 'Steps run at once, over all targets',
    defaultText: 'the number of cores, at least 4',
  },
  'metadata-file': {
    kind: 'text',
    placeholder: 'FILE',
    help: 'Write the results there as JSON, by target',
    complete: 'file',
  },
  ...PROGRESS_OPTION,
  ...BACKEND_OPTION,
  ...DATA_DIR_OPTION,
  load: {
    kind: 'refused',
    takesValue: false,
    accepts: ['false'],
    help: 'use --set "*.output=type=docker,dest=FILE" and docker load',
  },
  provenance: { kind: 'refused', takesValue: true, accepts: ['false'], help: 'provenance attestations are not made' },
  sbom: { kind: 'refused', takesValue: true, accepts: ['false'], help: 'SBOM attestations are not made' },
  builder: { kind: 'refused', takesValue: true, help: 'there is one builder, in this process' },
} as const satisfies OptionTable;

/** What `zlayer bake` was given. */
export type BakeOptions = typeof BAKE_OPTIONS;
