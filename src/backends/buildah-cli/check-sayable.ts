import { BuildError } from '../../core/index.ts';
import type { ExecMount, ExecOp, Graph, Vertex } from '../../graph/index.ts';
import { annotationsAt } from '../request/annotations.ts';
import type { BuildRequest } from '../types.ts';
import { isPlain } from './render-mount.ts';

const SHELL_NAME = /^[A-Za-z_]\w*$/;

/**
 * Refuses, before anything runs, what buildah's parser has no words for. Variables of the base images need none.
 *
 * @throws BuildError `UNSUPPORTED`, with the place of the step.
 */
export function checkSayable(graph: Graph, baseEnv: readonly string[]): void {
  const inherited = new Set(baseEnv.map(nameOf));
  for (const vertex of graph.vertices) {
    const { op } = vertex;
    if (op.kind !== 'exec') continue;
    for (const mount of op.mounts) checkMount(vertex, mount);
    checkVariables(vertex, op, inherited);
  }
}

/** @throws BuildError `UNSUPPORTED` for annotations of an index, which buildah's storage has no place for. */
export function checkAnnotations(request: BuildRequest): void {
  if (Object.keys(annotationsAt(request, 'index')).length === 0) return;
  throw new BuildError(
    'UNSUPPORTED',
    "The backend buildah-cli cannot annotate an index: buildah's lists have no place for it.",
    {
      hint: 'Annotate the manifests, or use --backend native.',
    },
  );
}

function checkMount(vertex: Vertex, mount: ExecMount): void {
  if (mount.target !== undefined && !isPlain(mount.target)) {
    throw unsayable(vertex, `the mount target "${mount.target}"`);
  }
  if (mount.kind === 'secret' && mount.env !== undefined && !SHELL_NAME.test(mount.env)) {
    throw unsayable(vertex, `the variable "${mount.env}" of a secret`);
  }
}

function nameOf(variable: string): string {
  return variable.slice(0, variable.indexOf('='));
}

function checkVariables(vertex: Vertex, { env }: ExecOp, inherited: ReadonlySet<string>): void {
  const odd = env.map(nameOf).find((name) => !inherited.has(name) && !/^[^\s"'\\$]+$/.test(name));
  if (odd !== undefined) throw unsayable(vertex, `the variable "${odd}"`);
}

function unsayable({ info }: Vertex, what: string): BuildError {
  const why = "it holds characters that buildah's parser does not take";
  return new BuildError('UNSUPPORTED', `The backend buildah-cli cannot be told ${what}: ${why}.`, {
    location: info.location,
    hint: 'Use other characters, or --backend native.',
  });
}
