import type { OptionTable } from '../options/option-table.ts';
import { BACKEND_OPTION, DATA_DIR_OPTION, PROGRESS_OPTION } from '../options/shared-options.ts';
import { BUILD_OPTIONS } from './build-options.ts';

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
    help: 'List what the files define instead of building: targets or variables; type=targets,format=json prints JSON',
  },
  allow: {
    kind: 'list',
    placeholder: 'RIGHT',
    help: 'What the files may ask for: network.host, security.insecure, device, ssh, and paths outside the current directory with fs=PATH, fs.read=PATH, fs.write=PATH',
  },
  call: {
    kind: 'text',
    placeholder: 'METHOD',
    help: "Read the targets' Dockerfiles instead of building: check, outline, targets; METHOD,format=json prints JSON",
    defaultText: 'build',
  },
  check: { kind: 'boolean', help: 'The same as --call=check' },
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
  load: BUILD_OPTIONS.load,
  provenance: {
    kind: 'text',
    placeholder: 'false',
    bare: 'true',
    choices: ['true', 'false'],
    help: 'false leaves out what the files say of provenance; attestations are not made',
  },
  sbom: {
    kind: 'text',
    placeholder: 'false',
    bare: 'true',
    choices: ['true', 'false'],
    help: 'false leaves out what the files say of SBOMs; attestations are not made',
  },
  builder: { kind: 'refused', takesValue: true, help: 'there is one builder, in this process' },
} as const satisfies OptionTable;

/** What `zlayer bake` was given. */
export type BakeOptions = typeof BAKE_OPTIONS;
