import { type Platform, parsePlatform } from '../../core/index.ts';
import { listAnnotations } from '../request/annotations.ts';
import { compressionOf } from '../request/check-consistency.ts';
import { platformsOf } from '../request/request-platforms.ts';
import type { BuildRequest } from '../types.ts';
import type { Feature } from './features.ts';

type Test = (request: BuildRequest, host: Platform) => boolean;

/** The features that options ask for. Those of instructions are in `instruction-needs.ts`. */
const TESTS: Partial<Readonly<Record<Feature, Test>>> = {
  annotations: (request) => listAnnotations(request).length > 0,
  'annotation-levels': (request) =>
    listAnnotations(request).some(({ level = 'manifest', platform }) => level !== 'manifest' || platform !== undefined),
  'no-cache': ({ noCache }) => noCache === true,
  'no-cache-filter': ({ noCacheFilter = [] }) => noCacheFilter.length > 0,
  'pull-always': ({ pull }) => pull === 'always',
  'pull-newer': ({ pull }) => pull === 'newer',
  'pull-never': ({ pull }) => pull === 'never',
  'foreign-platform': ({ platform }, host) => platform !== undefined && isForeign(platform, host),
  'several-platforms': (request) => platformsOf(request).length > 1,
  'add-hosts': ({ addHosts = [] }) => addHosts.length > 0,
  'network-none': ({ network }) => network === 'none',
  'network-host': ({ network }) => network === 'host',
  'shm-size': ({ shmSizeBytes }) => shmSizeBytes !== undefined,
  ulimits: ({ ulimits = [] }) => ulimits.length > 0,
  'context-directory': (request) => contexts(request).some((value) => !SCHEME.test(value)),
  'context-image': (request) => contexts(request).some((value) => value.startsWith('docker-image://')),
  'context-layout': (request) => contexts(request).some((value) => value.startsWith('oci-layout://')),
  'context-target': (request) => contexts(request).some((value) => /^(target|input):/.test(value)),
  parallelism: ({ parallelism }) => parallelism !== undefined,
  'source-date-epoch': ({ sourceDateEpoch, buildArgs }) =>
    sourceDateEpoch !== undefined || Boolean(buildArgs?.['SOURCE_DATE_EPOCH']),
  'rewrite-timestamp': ({ rewriteTimestamp }) => rewriteTimestamp === true,
  'cache-from': ({ cacheFrom = [] }) => cacheFrom.length > 0,
  'cache-to': ({ cacheTo = [] }) => cacheTo.length > 0,
  'cache-mounts-from': ({ cacheMountsFrom = [] }) => cacheMountsFrom.length > 0,
  'cache-mounts-to': ({ cacheMountsTo = [] }) => cacheMountsTo.length > 0,
  squash: ({ squash }) => squash === true,
  'squash-since': ({ squash }) => typeof squash === 'object',
  'format-docker': ({ format }) => format === 'docker',
  credentials: ({ credentials }) => has(credentials),
  strict: ({ strict }) => strict === true,
  'compression-zstd': ({ outputs = [] }) => outputs.some((output) => compressionOf(output).compression === 'zstd'),
  'compression-none': ({ outputs = [] }) => outputs.some((output) => compressionOf(output).compression === 'none'),
  'push-by-digest': ({ outputs = [] }) =>
    outputs.some((output) => output.kind === 'image' && output.pushByDigest === true),
  'force-compression': ({ outputs = [] }) => outputs.some((output) => compressionOf(output).forceCompression === true),
  'output-oci': ({ outputs = [] }) => outputs.some(({ kind }) => kind === 'oci'),
  'output-docker': ({ outputs = [] }) => outputs.some(({ kind }) => kind === 'docker'),
  'output-tar': ({ outputs = [] }) => outputs.some(({ kind }) => kind === 'tar'),
  'output-local': ({ outputs = [] }) => outputs.some(({ kind }) => kind === 'local'),
  'output-load': ({ outputs = [] }) => outputs.some(({ kind }) => kind === 'load'),
};

const SCHEME = /^(docker-image|oci-layout):\/\/|^(target|input):/;

/** The features that the options of a request ask for. */
export function featuresOfOptions(request: BuildRequest, host: Platform): readonly Feature[] {
  return (Object.keys(TESTS) as Feature[]).filter((feature) => TESTS[feature]!(request, host));
}

function has(record: Readonly<Record<string, unknown>> | undefined): boolean {
  return record !== undefined && Object.keys(record).length > 0;
}

function contexts({ buildContexts = {} }: BuildRequest): readonly string[] {
  return Object.values(buildContexts);
}

function isForeign(text: string, host: Platform): boolean {
  return text.split(',').some((platform) => parsePlatform(platform.trim(), host).architecture !== host.architecture);
}
