import { type CommandContext, defineCommand } from '../command.ts';
import { usage } from '../options/values.ts';

const DOCKER_HUB = 'docker.io';

/** `zlayer login` */
export const loginCommand = defineCommand({
  name: 'login',
  summary: 'Sign in to a registry',
  details: [
    "The registry is asked whether it accepts the sign-in. It is then kept where docker keeps it, in docker's credential helper where one is set up.",
  ],
  positionals: { usage: '[REGISTRY]', min: 0, max: 1 },
  options: {
    username: { kind: 'text', short: 'u', placeholder: 'NAME', help: 'User name' },
    password: {
      kind: 'text',
      short: 'p',
      placeholder: 'TEXT',
      help: 'Password or token; other users of the machine can see it, --password-stdin is safer',
    },
    'password-stdin': { kind: 'boolean', help: 'Read the password or token from standard input' },
  },
  examples: [
    { text: 'Ask for name and password', line: 'zlayer login registry.example.com' },
    { text: 'In CI', line: 'printf %s "$TOKEN" | zlayer login -u ci --password-stdin ghcr.io' },
  ],
  run: async (context, { values, positionals }) => {
    const registry = registryOf(positionals[0]);
    const credentials = await readCredentials(context, values);
    const { storedIn } = await context.services.login(
      { registry, credentials: { kind: 'basic', ...credentials } },
      { signal: context.signal, onEvent: () => undefined },
    );
    context.stderr.write(`Signed in to ${registry} as ${credentials.username}. The sign-in is kept in ${storedIn}.\n`);
    return undefined;
  },
});

/** A registry as people write it, URL and all; Docker Hub when nothing is given. @throws BuildError `USAGE` */
export function registryOf(text: string | undefined): string {
  if (text === undefined || text === '') return DOCKER_HUB;
  const host = text.replace(/^https?:\/\//, '').replace(/\/(v[12]\/?)?$/, '');
  if (host === 'index.docker.io' || host === 'registry-1.docker.io') return DOCKER_HUB;
  if (host === '' || /[\s/@]/.test(host))
    throw usage(`"${text}" is not a registry.`, 'Write its host, such as ghcr.io or localhost:5000.');
  return host;
}

interface LoginValues {
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly 'password-stdin': boolean;
}

async function readCredentials(
  context: CommandContext,
  values: LoginValues,
): Promise<{ readonly username: string; readonly password: string }> {
  if (values.password !== undefined && values['password-stdin']) {
    throw usage('--password and --password-stdin contradict each other.', 'Leave one out.');
  }
  if (values['password-stdin']) {
    if (values.username === undefined) throw usage('--password-stdin needs the user name.', 'Add -u NAME.');
    return { username: values.username, password: required(await readLine(context), 'password') };
  }
  const canAsk = context.stdin.isTTY === true;
  if (!canAsk && (values.username === undefined || values.password === undefined)) {
    throw usage(
      'Standard input is not a terminal, so nobody can be asked for the password.',
      'Use -u NAME --password-stdin.',
    );
  }
  const { askLine } = await import('../terminal/prompt.ts');
  const username = values.username ?? (await askLine(context, 'Username: ')).trim();
  const password = values.password ?? (await askLine(context, 'Password: ', { hidden: true }));
  return { username: required(username, 'user name'), password: required(password, 'password') };
}

function required(text: string, what: string): string {
  if (text === '') throw usage(`The ${what} is empty.`);
  return text;
}

/** As docker: the line end at the end of the input is not part of the password. */
async function readLine({ stdin }: CommandContext): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stdin) chunks.push(Buffer.from(chunk as Uint8Array));
  return Buffer.concat(chunks)
    .toString('utf8')
    .replace(/\r?\n$/, '');
}
