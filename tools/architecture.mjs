// Who may import whom. One line per folder of src/, ordered: a folder may only import folders above it.
// Changing it is a design decision: say why in docs/decisions/.
export const MAY_IMPORT = {
  core: [],
  oci: ['core'],
  archive: ['core'],
  dockerfile: ['core'],
  graph: ['core', 'oci', 'dockerfile'],
  solver: ['core', 'graph'],
  store: ['core', 'oci', 'archive'],
  registry: ['core', 'oci'],
  outputs: ['core', 'oci', 'archive', 'store', 'registry'],
  copy: ['core', 'oci', 'store', 'registry', 'outputs'],
  cache: ['core', 'oci', 'archive', 'store', 'registry', 'outputs'],
  engine: ['core', 'oci', 'archive', 'graph', 'store', 'registry', 'cache'],
  rpc: ['core', 'oci'],
  backends: [
    'core',
    'oci',
    'dockerfile',
    'graph',
    'solver',
    'store',
    'registry',
    'outputs',
    'copy',
    'cache',
    'engine',
    'rpc',
  ],
  buildd: ['core', 'oci', 'dockerfile', 'store', 'rpc', 'backends'],
  bake: ['core'],
  cli: ['core', 'oci', 'dockerfile', 'store', 'registry', 'outputs', 'backends', 'bake', 'buildd'],
};
// Folders whose sub-folders are alternatives of each other and must not import one another.
export const STRANGERS = ['backends', 'outputs'];
// Folders beside them that all of them share, and that know none of them.
export const SHARED = ['backends/selection', 'backends/needs', 'backends/request'];
// Doors beside a folder's index.ts: parts that a command loads only when it uses them.
export const DOORS = ['engine/steps', 'engine/remote'];
// Folders that must stay pure: no file system, process, network or clock.
export const PURE = ['core', 'oci', 'dockerfile', 'graph', 'solver', 'bake'];
export const HOST_BUILTINS =
  '^(fs|fs/promises|child_process|net|http|https|http2|tls|dns|dgram|os|worker_threads|process|cluster)$';
