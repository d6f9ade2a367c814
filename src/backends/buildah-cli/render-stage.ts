import { BuildError, digestHex, digestOf } from '../../core/index.ts';
import { canonicalJson, type ExecOp, type Vertex, type VertexId } from '../../graph/index.ts';
import type { CacheFacts } from './cache-mounts.ts';
import { type CopyDelivery, type Deliveries, mountKey } from './deliveries.ts';
import { copyOf, type StagePlan } from './plan-stages.ts';
import { renderMount } from './render-mount.ts';
import { foldLine, jsonWords, literalWord, quotedValue } from './render-words.ts';
import { SECRETS_TARGET, secretsId, shellOf } from './secret-variables.ts';

/** The build context that holds what the build itself needs: an empty directory, scripts. */
export const OWN_CONTEXT = 'zlayer';
/** An empty directory in it. */
export const EMPTY_DIRECTORY = 'empty';
/** Where a script of a heredoc is mounted. */
const SCRIPT_TARGET = '/run/zlayer-script';

/** One instruction of a rendered Dockerfile. */
export interface RenderedStep {
  /** As it stands in the file, on one line. */
  readonly text: string;
  /** What it is done for. */
  readonly vertex: VertexId | undefined;
  /** `work` makes the layer of its vertex; `setup` makes none; `source` is a FROM. */
  readonly role: 'source' | 'setup' | 'work';
}

/** What stands between two FROMs of a rendered Dockerfile. */
export interface RenderedStage {
  readonly steps: readonly RenderedStep[];
}

/** A stage as a Dockerfile, with what a stage on top of it begins with. */
export interface RenderedFile {
  readonly stages: readonly RenderedStage[];
  readonly text: string;
  readonly env: Variables;
  /** Values that the file names, for buildah's environment. */
  readonly buildArgs: Variables;
}

/** Variables by name. */
export type Variables = ReadonlyMap<string, string>;

/** An image in buildah's storage. */
export interface BuiltStage {
  readonly id: string;
  readonly env: Variables;
}

export interface RenderInput {
  readonly plan: StagePlan;
  readonly vertices: ReadonlyMap<VertexId, Vertex>;
  /** The images that the stage begins with and takes from. */
  readonly built: (id: VertexId) => BuiltStage;
  readonly deliveries: Deliveries;
  /** Paths below `OWN_CONTEXT` of the scripts of steps. */
  readonly scripts: ReadonlyMap<VertexId, string>;
  /** buildah's ids and sharing of cache mounts, by `mountKey`. */
  readonly caches: ReadonlyMap<string, Omit<CacheFacts, 'path'>>;
  /** Different in every build. */
  readonly nonce: string;
}

/** What the file has told buildah so far. */
interface Told {
  readonly env: Variables;
  readonly user: string;
  readonly cwd: string | undefined;
}

/**
 * Renders a stage as a Dockerfile for buildah in which nothing is left to decide: every name is an image's id, every variable
 * is expanded. Instructions that only change the config are not in it: config and history are written when the layers are
 * there.
 */
export function renderStage(input: RenderInput): RenderedFile {
  const { plan, vertices } = input;
  const base = plan.base === undefined ? { id: 'scratch', env: new Map() } : input.built(plan.base);
  const prelude = renderPrelude(input, base);
  const steps: RenderedStep[] = [source(prelude.from, plan.base)];
  let told: Told = { env: prelude.env, user: '', cwd: undefined };
  for (const vertex of plan.steps) {
    const { op } = vertex;
    if (op.kind === 'exec') {
      const configured = configure(told, vertex, op);
      told = configured.told;
      steps.push(...configured.steps, ...renderExec(input, vertex, op));
    } else if (op.kind === 'mkdir') {
      const owner = op.user === undefined ? [] : [`--chown=${literalWord(op.user)}`];
      const words = jsonWords([`${EMPTY_DIRECTORY}/`, `${literalWord(op.path)}/`]);
      const text = ['COPY', `--from=${OWN_CONTEXT}`, ...owner, words].join(' ');
      steps.push(...labels(input, vertex, []), { text, vertex: vertex.id, role: 'work' });
    } else {
      steps.push(...renderCopy(input, copyOf(vertex, vertices)));
    }
  }
  // An image without any layer must have something of its own.
  if (plan.steps.length === 0) steps.push(label(plan.end, 'nothing'));
  const stages = [...prelude.stages, ...writableStages(input), { steps }];
  const text = stages.flatMap((stage) => stage.steps.map((step) => foldLine(step.text))).join('\n');
  return { stages, text: `${text}\n`, env: told.env, buildArgs: prelude.buildArgs };
}

interface Prelude {
  readonly stages: readonly RenderedStage[];
  readonly from: string;
  readonly env: Variables;
  readonly buildArgs: Variables;
}

/** Line ends come into a variable by an argument alone, in a stage before, so that no step sees the argument. */
function renderPrelude({ plan }: RenderInput, base: BuiltStage): Prelude {
  const wanted = [...toVariables(plan.surroundings.multiline)].filter(([name, value]) => base.env.get(name) !== value);
  if (wanted.length === 0) return { stages: [], from: base.id, env: base.env, buildArgs: new Map() };
  const buildArgs = new Map(wanted.map(([, value], index) => [`zlayer${index}`, value]));
  const setup = (text: string): RenderedStep => ({ text, vertex: undefined, role: 'setup' });
  const steps = [
    { text: `FROM ${base.id} AS lines`, vertex: plan.base, role: 'source' } as const,
    ...wanted.flatMap(([name], index) => [setup(`ARG zlayer${index}`), setup(`ENV ${name}="\${zlayer${index}}"`)]),
  ];
  return { stages: [{ steps }], from: 'lines', env: new Map([...base.env, ...wanted]), buildArgs };
}

function source(from: string, vertex: VertexId | undefined): RenderedStep {
  return { text: `FROM ${from}`, vertex, role: 'source' };
}

function renderCopy(input: RenderInput, copy: Vertex): readonly RenderedStep[] {
  const { op, id } = copy;
  const delivery = input.deliveries.copies.get(id);
  if (op.kind !== 'copy' || delivery === undefined)
    throw new BuildError('INTERNAL', `The copy ${id} was not delivered.`);
  const owner = op.chown === undefined ? [] : [`--chown=${literalWord(op.chown)}`];
  const mode = delivery.kind === 'stage' && op.chmod !== undefined ? [`--chmod=${op.chmod}`] : [];
  const { from, paths, destination } = copySource(input, delivery, op.destination);
  const words = jsonWords([...paths, destination].map(literalWord));
  const text = ['COPY', `--from=${from}`, ...owner, ...mode, words].join(' ');
  return [...labels(input, copy, []), { text, vertex: id, role: 'work' }];
}

interface CopySourceText {
  readonly from: string;
  readonly paths: readonly string[];
  readonly destination: string;
}

function copySource({ built }: RenderInput, delivery: CopyDelivery, destination: string): CopySourceText {
  switch (delivery.kind) {
    case 'stage':
      return { from: built(delivery.source).id, paths: delivery.paths, destination };
    case 'image': {
      const paths = [delivery.path.replace(/[\\*?[]/g, '\\$&')];
      return { from: delivery.image, paths, destination: delivery.destination };
    }
    case 'nothing':
      return { from: OWN_CONTEXT, paths: [`${EMPTY_DIRECTORY}/`], destination: '/' };
  }
}

function renderExec(input: RenderInput, vertex: Vertex, op: ExecOp): readonly RenderedStep[] {
  const mounts = op.mounts.flatMap((mount, index): readonly string[] => {
    const key = mountKey(vertex.id, index);
    if (mount.kind === 'secret' && mount.env !== undefined && mount.target === undefined) return [];
    if (mount.kind !== 'bind') return [renderMount(mount, { cache: input.caches.get(key) })];
    const delivered = input.deliveries.mounts.get(key);
    const image = delivered?.image ?? input.built(vertex.inputs[mount.input]!).id;
    const from = mount.readonly ? image : writableName(vertex, index);
    return [renderMount(mount, { from, path: delivered?.path ?? mount.source })];
  });
  const script = input.scripts.get(vertex.id);
  const scriptMount =
    script === undefined ? [] : [`type=bind,from=${OWN_CONTEXT},source=${script},target=${SCRIPT_TARGET}`];
  const secrets = secretsId(vertex);
  const secretMount =
    secrets === undefined ? [] : [`type=secret,id=${secrets},target=${SECRETS_TARGET},required=true,mode=0444`];
  const command = script === undefined ? op.args : [SCRIPT_TARGET];
  const args = secrets === undefined ? command : [shellOf(op), SECRETS_TARGET, ...command];
  const flags = [...mounts, ...scriptMount, ...secretMount].map((text) => `--mount=${text}`);
  const facts = [...(op.script === undefined ? [] : [op.script]), ...surroundingsOf(op)];
  return [
    ...labels(input, vertex, facts),
    { text: ['RUN', ...flags, jsonWords(args)].join(' '), vertex: vertex.id, role: 'work' },
  ];
}

/** What is written to a mount vanishes with it: a stage of its own takes it, and the image stays as it is. */
function writableStages({ plan, deliveries, built }: RenderInput): readonly RenderedStage[] {
  return plan.steps.flatMap((vertex) => {
    const { op, inputs } = vertex;
    if (op.kind !== 'exec') return [];
    return op.mounts.flatMap((mount, index): readonly RenderedStage[] => {
      if (mount.kind !== 'bind' || mount.readonly) return [];
      const image = deliveries.mounts.get(mountKey(vertex.id, index))?.image ?? built(inputs[mount.input]!).id;
      return [{ steps: [source(`${image} AS ${writableName(vertex, index)}`, undefined)] }];
    });
  });
}

function writableName({ id }: Vertex, index: number): string {
  return `w${digestHex(id).slice(0, 12)}-${index}`;
}

/** What decides the result of a step, and stands in options of the call: buildah's cache does not look at those. */
function surroundingsOf(op: ExecOp): readonly string[] {
  const { network, security, extraHosts, shmSizeBytes, ulimits, devices = [] } = op;
  const facts = {
    ...(network === 'none' ? { network } : {}),
    ...(security === 'insecure' ? { security } : {}),
    ...(extraHosts.length === 0 ? {} : { hosts: extraHosts.map(({ name }) => name) }),
    ...(shmSizeBytes === undefined ? {} : { shmSizeBytes }),
    ...(ulimits.length === 0 ? {} : { ulimits }),
    ...(devices.length === 0 ? {} : { devices }),
  };
  return Object.keys(facts).length === 0 ? [] : [canonicalJson(facts)];
}

/** A label before a step keeps buildah from a result that differs in what the step's own words do not say. */
function labels({ nonce }: RenderInput, { id, info }: Vertex, facts: readonly string[]): readonly RenderedStep[] {
  const all = [...facts, ...(info.ignoreCache ? [`${nonce} ${id}`] : [])];
  return all.length === 0 ? [] : [label(id, all.join('\n'))];
}

function label(vertex: VertexId, value: string): RenderedStep {
  return { text: `LABEL zlayer.key=${digestOf(value)}`, vertex, role: 'setup' };
}

/** Tells buildah what the next step needs to know: variables, user, working directory. */
function configure(
  told: Told,
  vertex: Vertex,
  op: ExecOp,
): { readonly told: Told; readonly steps: readonly RenderedStep[] } {
  const wanted = toVariables(op.env);
  const changed = [...wanted].filter(([name, value]) => told.env.get(name) !== value);
  const user = op.user ?? '0:0';
  const texts = [
    ...(changed.length === 0
      ? []
      : [`ENV ${changed.map(([name, value]) => `${name}=${quotedValue(value)}`).join(' ')}`]),
    ...(told.user === user ? [] : [`USER ${literalWord(user)}`]),
    ...(told.cwd === op.cwd ? [] : [`WORKDIR ${quotedValue(op.cwd)}`]),
  ];
  return {
    told: { env: new Map([...told.env, ...wanted]), user, cwd: op.cwd },
    steps: texts.map((text) => ({ text, vertex: vertex.id, role: 'setup' })),
  };
}

/** `NAME=value` texts by name. */
export function toVariables(env: readonly string[]): Variables {
  return new Map(
    env.map((text) => {
      const at = text.indexOf('=');
      return [text.slice(0, at), text.slice(at + 1)];
    }),
  );
}
