import { isBuildError, type RunContext } from '../../core/index.ts';
import { type Connection, type Connector, isConnectionLost } from './connection.ts';
import { createWaiting, type Patience } from './patience.ts';
import { type UploadInput, uploadTree } from './upload-context.ts';

export interface SendTreeDeps {
  readonly connector: Connector;
  readonly patience?: Patience | undefined;
}

/**
 * Makes a tree known to the daemon; the upload goes on after a lost connection where it was broken off.
 *
 * @returns the name of the tree.
 * @throws BuildError as `uploadTree`.
 */
export async function sendTree(
  { connector, patience }: SendTreeDeps,
  input: UploadInput,
  context: RunContext,
): Promise<string> {
  const waiting = createWaiting('the upload goes on', patience);
  let connection: Connection | undefined;
  for (;;) {
    try {
      connection = await connector.connect(context);
      return await uploadTree(connection, input, context);
    } catch (error) {
      if (connection === undefined || context.signal.aborted || !isConnectionLost(error)) throw error;
      if (isBuildError(error, 'DAEMON_STOPPING')) connector.leave(connection);
      await waiting.pause(error, context);
    }
  }
}
