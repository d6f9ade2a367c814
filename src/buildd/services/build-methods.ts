import { BuildError } from '../../core/index.ts';
import type {
  BuildService,
  MessageInput,
  ServedCall,
  ServiceImplementation,
  SessionEventSchema,
  SessionRequest,
  BuildEvent as WireBuildEvent,
} from '../../rpc/index.ts';
import type { StartedBuild } from '../builds/build-registry.ts';
import { followBuild, type MessageSource } from '../builds/follow-build.ts';
import type { ClientLink } from '../sessions/ask-client.ts';
import { type DaemonState, identityOf, requireServing } from './daemon-state.ts';

type Methods = Pick<ServiceImplementation<typeof BuildService>, 'build' | 'cancel' | 'session'>;
type SessionEventInput = MessageInput<typeof SessionEventSchema>;

/** The methods that start builds and follow them. */
export function createBuildMethods(state: DaemonState): Methods {
  return {
    build: (message, call) => serveBuild(state, message, call),
    session: (requests, call) => serveSession(state, requests, call),
    cancel: async ({ requestId }, call) => {
      const build = find(state, requestId, call);
      const cancelled = build?.cancel(new BuildError('CANCELLED', 'The build was cancelled by its client.')) ?? false;
      if (cancelled) await build?.ended;
      return { cancelled };
    },
  };
}

function find(state: DaemonState, id: string, call: ServedCall): StartedBuild | undefined {
  try {
    return state.builds.get(identityOf(call), id);
  } catch {
    return undefined;
  }
}

/** A client of the first protocol cannot come back: a build whose call ends early is cancelled. */
async function* serveBuild(
  state: DaemonState,
  message: Parameters<NonNullable<Methods['build']>>[0],
  call: ServedCall,
): AsyncGenerator<WireBuildEvent, void, undefined> {
  requireServing(state);
  const identity = identityOf(call);
  const contexts = state.contexts.of(identity);
  const build = state.builds.start({ identity, message, contexts, canAnswer: false });
  const cancel = (): void =>
    void build.cancel(new BuildError('CANCELLED', 'The build was cancelled: its client has gone.'));
  call.signal.addEventListener('abort', cancel, { once: true });
  if (call.signal.aborted) cancel();
  for await (const followed of followBuild(build, { after: 0 }, call.signal)) {
    if (followed.kind === 'event') yield followed.event;
  }
}

/** A build goes on without this call: the client may come back and attach. */
async function* serveSession(
  state: DaemonState,
  requests: AsyncIterable<SessionRequest>,
  call: ServedCall,
): AsyncGenerator<SessionEventInput, void, undefined> {
  const incoming = requests[Symbol.asyncIterator]();
  const endSession = state.activity.begin('session');
  const link = createLinkSource();
  try {
    const first = await soonEnough(incoming.next());
    const { build, after } = openBuild(state, first.done === true ? undefined : first.value, call);
    link.use(build);
    void receiveAll(incoming, link).catch(() => undefined);
    for await (const followed of followBuild(build, { after, source: link }, call.signal)) {
      if (followed.kind === 'message') yield { sequence: 0n, message: followed.message };
      else yield { sequence: BigInt(followed.sequence), message: { case: 'event', value: followed.event } };
    }
  } finally {
    link.close();
    endSession();
  }
}

/** A session that says nothing would keep the daemon alive for ever. @throws BuildError `USAGE` */
async function soonEnough<T>(first: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    const silent = new BuildError('USAGE', 'A session begins with a message, and none has come for 30 seconds.');
    timer = setTimeout(() => reject(silent), FIRST_MESSAGE_MS);
  });
  try {
    return await Promise.race([first, late]);
  } finally {
    clearTimeout(timer);
  }
}

const FIRST_MESSAGE_MS = 30_000;

function openBuild(
  state: DaemonState,
  request: SessionRequest | undefined,
  call: ServedCall,
): { readonly build: StartedBuild; readonly after: number } {
  const identity = identityOf(call);
  const message = request?.message;
  if (message?.case === 'start') {
    requireServing(state);
    const contexts = state.contexts.of(identity);
    const build = state.builds.start({ identity, message: message.value, contexts, canAnswer: true });
    return { build, after: 0 };
  }
  if (message?.case === 'attach') {
    return { build: state.builds.get(identity, message.value.requestId), after: Number(message.value.after) };
  }
  throw new BuildError('USAGE', 'The first message of a session starts a build or attaches to one.');
}

/** The link of one session, which exists once it is known which build it is about. */
interface LinkSource extends MessageSource {
  use(build: StartedBuild): void;
  receive(request: SessionRequest): void;
  close(): void;
}

function createLinkSource(): LinkSource {
  let link: ClientLink | undefined;
  let ring = (): void => undefined;
  return {
    use: (build) => {
      link = build.questions.open(() => ring());
    },
    listen: (onMessage) => {
      ring = onMessage;
      ring();
    },
    take: () => link?.take() ?? [],
    receive: ({ message }) => {
      if (message.case === 'secret') link?.answerSecret(message.value);
      else if (message.case === 'sshData') link?.receiveSsh(message.value);
    },
    close: () => link?.close(),
  };
}

async function receiveAll(incoming: AsyncIterator<SessionRequest>, link: LinkSource): Promise<void> {
  for (let next = await incoming.next(); next.done !== true; next = await incoming.next()) link.receive(next.value);
}
