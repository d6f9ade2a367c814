/**
 * What a request can ask of a backend, beyond what every backend must do (FROM, ARG, ENV, COPY, plain ADD, RUN in its two
 * forms and with heredocs, the instructions that only change the config, multi-stage, target, tags, labels). The closed list
 * of the contract: needs, capabilities, the contract suite and the table in the docs are made of it. The text says how the
 * feature is asked for.
 */
export const FEATURES = {
  'mount-bind': 'RUN --mount=type=bind',
  'mount-cache': 'RUN --mount=type=cache',
  'mount-cache-sharing': 'RUN --mount=type=cache,sharing=private|locked',
  'mount-tmpfs': 'RUN --mount=type=tmpfs',
  'mount-secret': 'RUN --mount=type=secret',
  'mount-secret-env': 'RUN --mount=type=secret,env=NAME',
  'mount-ssh': 'RUN --mount=type=ssh',
  'step-network': 'RUN --network',
  'step-insecure': 'RUN --security=insecure',
  'step-device': 'RUN --device',
  'copy-link': 'COPY --link',
  'copy-parents': 'COPY --parents',
  'copy-exclude': 'COPY --exclude',
  'copy-heredoc': 'COPY <<FILE',
  'chmod-symbolic': 'COPY --chmod=u+x',
  'add-url': 'ADD https://…',
  'add-git': 'ADD of a git repository',
  'add-checksum': 'ADD --checksum',
  'add-unpack': 'ADD --unpack',
  'health-start-interval': 'HEALTHCHECK --start-interval',
  annotations: '--annotation',
  'annotation-levels': '--annotation of an index, a descriptor, or one platform',
  'no-cache': '--no-cache',
  'no-cache-filter': '--no-cache-filter',
  'pull-always': '--pull=always',
  'pull-newer': '--pull=newer',
  'pull-never': '--pull=never',
  'foreign-platform': '--platform of another architecture',
  'several-platforms': '--platform with several platforms',
  'add-hosts': '--add-host',
  'network-none': '--network=none',
  'network-host': '--network=host',
  'shm-size': '--shm-size',
  ulimits: '--ulimit',
  'context-directory': '--build-context NAME=DIRECTORY',
  'context-image': '--build-context NAME=docker-image://REF',
  'context-layout': '--build-context NAME=oci-layout://PATH',
  'context-target': '--build-context NAME=target:STAGE',
  parallelism: '--parallelism',
  'source-date-epoch': 'SOURCE_DATE_EPOCH',
  'rewrite-timestamp': '--output …,rewrite-timestamp=true',
  'cache-from': '--cache-from',
  'cache-to': '--cache-to',
  'cache-mounts-from': '--cache-mounts-from',
  'cache-mounts-to': '--cache-mounts-to',
  squash: '--squash',
  'squash-since': '--squash=STAGE',
  'format-docker': '--output …,oci-mediatypes=false',
  credentials: 'sign-ins in the request',
  strict: '--strict',
  'compression-zstd': '--output …,compression=zstd',
  'compression-none': '--output …,compression=none',
  'force-compression': '--output …,force-compression=true',
  'push-by-digest': '--output type=registry,push-by-digest=true',
  'output-oci': '--output type=oci',
  'output-docker': '--output type=docker',
  'output-tar': '--output type=tar',
  'output-local': '--output type=local',
  'output-load': '--load',
  plan: '--plan',
} as const satisfies Record<string, string>;

/** Name of a feature. */
export type Feature = keyof typeof FEATURES;

/** For every feature: `true`, or the reason why a backend has it not, as the end of a sentence ("buildah 1.28 …"). */
export type Capabilities = Readonly<Record<Feature, true | string>>;
