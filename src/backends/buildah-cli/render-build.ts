import { BuildError, digestOf, digestOfFields } from '../../core/index.ts';
import { canonicalJson, type Graph, type Op, type Vertex, type VertexId } from '../../graph/index.ts';
import { type CopyDelivery, type Deliveries, mountKey } from './deliveries.ts';
import { type MountText, renderMount } from './render-mount.ts';
import { foldLine, jsonWords, literalWord, quotedValue } from './render-words.ts';
import { unsayable } from './unsayable.ts';

/** The build context that holds what the build itself needs: an empty directory, scripts. */
export const OWN_CONTEXT = 'zlayer';
/** An empty directory in it. */
export const EMPTY_DIRECTORY = 'empty';

/** One instruction of a rendered Dockerfile. */
export interface RenderedStep {
  /** As it stands in the file, on one line. */
  readonly text: string;
  /** What it is done for. */
  readonly vertex: VertexId | undefined;
  /** `work` makes the layer of its vertex; `setup` makes none; `source` is a FROM. */
  readonly role: 'source' | 'setup' | 'work';
}

/** A stage of a rendered Dockerfile. */
export interface RenderedStage {
  readonly alias: string;
  readonly steps: readonly RenderedStep[];
}

export interface RenderedBuild {
  /** In the order of the file: each after those that it takes from. */
  readonly stages: readonly RenderedStage[];
  readonly text: string;
}

export interface RenderInput {
  readonly graph: Graph;
  readonly target: VertexId;
  /** buildah's id and the variables of base images. */
  readonly images: ReadonlyMap<VertexId, { readonly id: string; readonly env: readonly string[] }>;
  readonly deliveries: Deliveries;
  /** Paths below `OWN_CONTEXT` of the scripts of steps. */
  readonly scripts: ReadonlyMap<VertexId, string>;
  /** buildah's ids and sharing of cache mounts, by `mountKey`. */
  readonly caches: ReadonlyMap<string, { readonly id: string; readonly sharing: 'shared' | 'locked' }>;
  /** Different in every build. */
  readonly nonce: string;
}

/** Where a script of a heredoc is mounted. */
export const SCRIPT_TARGET = '/run/zlayer-script';

interface StageDraft {
  readonly alias: string;
  readonly steps: RenderedStep[];
  readonly needs: Set<StageDraft>;
}

/** A root file system in the file, with what the stage has been told so far. */
interface Place {
  readonly draft: StageDraft;
  readonly env: ReadonlyMap<string, string>;
  readonly user: string;
  readonly cwd: string | undefined;
}

/**
 * Renders a graph as a Dockerfile for buildah in which nothing is left to decide: every name is resolved, every variable is
 * expanded, every source is a stage. A chain of vertices becomes a stage; what others take from ends one. Instructions that
 * only change the config are left out: config and history are written when the layers are there.
 *
 * @throws BuildError `UNSUPPORTED` for words that buildah's parser cannot be given.
 */
export function renderBuild(input: RenderInput): RenderedBuild {
  const renderer = createRenderer(input);
  for (const vertex of input.graph.vertices) renderer.add(vertex);
  const stages = inOrder(renderer.placeOf(input.target).draft);
  const lines = stages.flatMap(({ steps }) => steps.map(({ text }) => foldLine(text)));
  return { stages, text: `${lines.join('\n')}\n` };
}

function inOrder(target: StageDraft): readonly RenderedStage[] {
  const ordered: StageDraft[] = [];
  const visit = (draft: StageDraft): void => {
    if (ordered.includes(draft)) return;
    for (const need of draft.needs) visit(need);
    ordered.push(draft);
  };
  visit(target);
  return ordered;
}

interface Renderer {
  add(vertex: Vertex): void;
  placeOf(id: VertexId): Place;
}

function createRenderer(input: RenderInput): Renderer {
  const vertices = new Map(input.graph.vertices.map((vertex) => [vertex.id, vertex]));
  const shared = findShared(input);
  const places = new Map<VertexId, Place>();
  const keys = new Map<VertexId, string>();
  const imageStages = new Map<string, StageDraft>();
  let count = 0;

  const placeOf = (id: VertexId): Place => {
    const place = places.get(id);
    if (place === undefined) throw new BuildError('INTERNAL', `The vertex ${id} is used before it is rendered.`);
    return place;
  };
  const openStage = (from: string, vertex: VertexId | undefined, needs: readonly StageDraft[]): StageDraft => {
    const alias = `zl${count}`;
    count += 1;
    return { alias, steps: [{ text: `FROM ${from} AS ${alias}`, vertex, role: 'source' }], needs: new Set(needs) };
  };
  /** A stage of an image that only lends files. */
  const imageStage = (image: string): StageDraft => {
    const stage = imageStages.get(image) ?? openStage(image, undefined, []);
    imageStages.set(image, stage);
    return stage;
  };
  /** The stage to go on with: the base's own, where nothing else takes from it. */
  const continueFrom = (base: VertexId): Place => {
    const place = placeOf(base);
    if (vertices.get(base)!.op.kind === 'scratch') return { ...place, draft: openStage('scratch', base, []) };
    if (!shared.has(base)) return place;
    return { ...place, draft: openStage(place.draft.alias, undefined, [place.draft]) };
  };
  const keyOf = (id: VertexId): string => keys.get(id) ?? '';

  const addCopy = (vertex: Vertex, copy: Vertex, base: VertexId): void => {
    const { op } = copy;
    const delivery = input.deliveries.copies.get(copy.id);
    if (op.kind !== 'copy' || delivery === undefined) throw new BuildError('INTERNAL', 'A copy was not delivered.');
    const place = continueFrom(base);
    if (copy.info.ignoreCache) place.draft.steps.push(labelStep(copy.id, `${input.nonce} ${copy.id}`));
    const owner = op.chown === undefined ? [] : [`--chown=${literalWord(op.chown)}`];
    const mode = delivery.kind === 'stage' && op.chmod !== undefined ? [`--chmod=${op.chmod}`] : [];
    const { from, paths, destination } = sourceOf(delivery, op.destination, { placeOf, imageStage });
    if (from !== undefined) place.draft.needs.add(from);
    const flags = [`--from=${from?.alias ?? OWN_CONTEXT}`, ...owner, ...mode];
    const words = jsonWords([...paths, destination].map(literalWord));
    place.draft.steps.push({ text: `COPY ${flags.join(' ')} ${words}`, vertex: copy.id, role: 'work' });
    places.set(vertex.id, place);
  };

  const addExec = (vertex: Vertex, op: Extract<Op, { kind: 'exec' }>): void => {
    const place = configure(continueFrom(vertex.inputs[op.base]!), vertex, op);
    const texts = op.mounts.map((mount, index): MountText => {
      const key = mountKey(vertex.id, index);
      if (mount.kind !== 'bind') return renderMount(vertex, mount, { cache: input.caches.get(key) });
      const delivered = input.deliveries.mounts.get(key);
      const inputId = vertex.inputs[mount.input]!;
      const lender = delivered === undefined ? placeOf(inputId).draft : imageStage(delivered.image);
      // What is written to a mount vanishes with it: a stage of its own takes it.
      const stage = mount.readonly ? lender : openStage(lender.alias, undefined, [lender]);
      place.draft.needs.add(stage);
      const path = delivered?.path ?? mount.source;
      return renderMount(vertex, mount, { from: stage.alias, path, identity: delivered?.image ?? keyOf(inputId) });
    });
    const identities = texts.flatMap(({ identity }) => (identity === undefined ? [] : [identity]));
    if (vertex.info.ignoreCache) identities.push(`${input.nonce} ${vertex.id}`);
    if (op.script !== undefined) identities.push(digestOf(op.script));
    // buildah's cache looks at the words of a step alone: what its mounts hold is told by a label before it.
    if (identities.length > 0) place.draft.steps.push(labelStep(vertex.id, identities.join('\n')));
    const script = input.scripts.get(vertex.id);
    const scriptMount =
      script === undefined ? [] : [`--mount=type=bind,from=${OWN_CONTEXT},source=${script},target=${SCRIPT_TARGET}`];
    const args = script === undefined ? op.args : [SCRIPT_TARGET];
    const flags = [...texts.map(({ text }) => `--mount=${text}`), ...scriptMount];
    place.draft.steps.push({ text: ['RUN', ...flags, jsonWords(args)].join(' '), vertex: vertex.id, role: 'work' });
    places.set(vertex.id, place);
  };

  const add = (vertex: Vertex): void => {
    const { op, id } = vertex;
    keys.set(id, identityOf(vertex, input, keyOf));
    switch (op.kind) {
      case 'image': {
        const image = input.images.get(id)!;
        places.set(id, { draft: openStage(image.id, id, []), env: toMap(image.env), user: '', cwd: undefined });
        return;
      }
      case 'scratch':
        places.set(id, { draft: openStage('scratch', id, []), env: new Map(), user: '', cwd: undefined });
        return;
      case 'copy':
        if (op.base !== undefined) addCopy(vertex, vertex, vertex.inputs[op.base]!);
        return;
      case 'merge':
        addCopy(vertex, vertices.get(vertex.inputs[1]!)!, vertex.inputs[0]!);
        return;
      case 'mkdir': {
        const place = continueFrom(vertex.inputs[op.base]!);
        const owner = op.user === undefined ? [] : [`--chown=${literalWord(op.user)}`];
        const words = jsonWords([`${EMPTY_DIRECTORY}/`, `${literalWord(op.path)}/`]);
        if (vertex.info.ignoreCache) place.draft.steps.push(labelStep(id, `${input.nonce} ${id}`));
        const text = ['COPY', `--from=${OWN_CONTEXT}`, ...owner, words].join(' ');
        place.draft.steps.push({ text, vertex: id, role: 'work' });
        places.set(id, place);
        return;
      }
      case 'exec':
        addExec(vertex, op);
        return;
      default:
    }
  };
  return { add, placeOf };
}

function labelStep(vertex: VertexId, value: string): RenderedStep {
  return { text: `LABEL zlayer.key=${digestOf(value)}`, vertex, role: 'setup' };
}

interface CopySourceText {
  readonly from: StageDraft | undefined;
  readonly paths: readonly string[];
  readonly destination: string;
}

function sourceOf(
  delivery: CopyDelivery,
  destination: string,
  stages: { readonly placeOf: (id: VertexId) => Place; readonly imageStage: (image: string) => StageDraft },
): CopySourceText {
  switch (delivery.kind) {
    case 'stage':
      return { from: stages.placeOf(delivery.source).draft, paths: delivery.paths, destination };
    case 'image':
      return {
        from: stages.imageStage(delivery.image),
        paths: [delivery.path.replace(/[\\*?[]/g, '\\$&')],
        destination: delivery.destination,
      };
    case 'nothing':
      return { from: undefined, paths: [`${EMPTY_DIRECTORY}/`], destination: '/' };
  }
}

/** Tells a stage what the next step needs to know: variables, user, working directory. */
function configure(place: Place, vertex: Vertex, op: Extract<Op, { kind: 'exec' }>): Place {
  const { steps } = place.draft;
  const wanted = toMap(op.env);
  const changed = [...wanted].filter(([name, value]) => place.env.get(name) !== value);
  for (const [name, value] of changed) {
    if (/\n/.test(value) || !/^[A-Za-z_][\w.-]*$/.test(name)) throw unsayable(vertex, `the variable ${name}`);
  }
  const push = (text: string): void => void steps.push({ text, vertex: vertex.id, role: 'setup' });
  if (changed.length > 0) push(`ENV ${changed.map(([name, value]) => `${name}=${quotedValue(value)}`).join(' ')}`);
  const user = op.user ?? '0:0';
  if (place.user !== user) push(`USER ${literalWord(user)}`);
  if (place.cwd !== op.cwd) push(`WORKDIR ${quotedValue(op.cwd)}`);
  return { draft: place.draft, env: new Map([...place.env, ...wanted]), user, cwd: op.cwd };
}

function toMap(env: readonly string[]): ReadonlyMap<string, string> {
  return new Map(
    env.map((text) => {
      const at = text.indexOf('=');
      return [text.slice(0, at), text.slice(at + 1)];
    }),
  );
}

/** Vertices that something else than one next step takes from: their stage ends with them. */
function findShared({ graph, target }: RenderInput): ReadonlySet<VertexId> {
  const bases = new Map<VertexId, number>();
  const others = new Set<VertexId>([target]);
  for (const { op, inputs } of graph.vertices) {
    const base = op.kind === 'merge' ? 0 : 'base' in op ? op.base : undefined;
    inputs.forEach((id, index) => {
      if (index === base) bases.set(id, (bases.get(id) ?? 0) + 1);
      else others.add(id);
    });
  }
  const several = [...bases].filter(([, uses]) => uses > 1).map(([id]) => id);
  return new Set([...others, ...several]);
}

/** What a state is made of, as far as that is known before it is built. */
function identityOf(vertex: Vertex, input: RenderInput, keyOf: (id: VertexId) => string): string {
  const { id, op, inputs, info } = vertex;
  const delivery = input.deliveries.copies.get(id);
  const files = op.kind === 'exec' ? op.mounts.map((_, index) => input.deliveries.mounts.get(mountKey(id, index))) : [];
  return digestOfFields([
    ['op', canonicalJson(op.kind === 'local' ? { kind: op.kind } : op)],
    ['delivery', canonicalJson(delivery ?? null)],
    ['files', canonicalJson(files.map((file) => file ?? null))],
    ['nonce', info.ignoreCache ? input.nonce : ''],
    ...inputs.map((each): readonly [string, string] => ['input', keyOf(each)]),
  ]);
}
