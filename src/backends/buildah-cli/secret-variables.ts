import type { ExecOp, Vertex } from '../../graph/index.ts';
import { buildahId } from './render-mount.ts';

/** Where the values of secret variables are mounted: as a script, for a shell that then becomes the command. */
export const SECRETS_TARGET = '/run/zlayer-secrets';

const SHELL = /^(?:.*\/)?(?:sh|ash|bash|dash|ksh|zsh)$/;
const USUAL_SHELL = '/bin/sh';

/** buildah's id of the script with the secret variables of a step; undefined for a step without. */
export function secretsId({ id, op }: Vertex): string | undefined {
  if (op.kind !== 'exec' || !op.mounts.some((mount) => mount.kind === 'secret' && mount.env !== undefined)) {
    return undefined;
  }
  return buildahId(`variables of ${id}`);
}

/** The shell that hands the variables over: the step's own, where it is one that reads such a script. */
export function shellOf({ args }: ExecOp): string {
  const [program = ''] = args;
  return SHELL.test(program) ? program : USUAL_SHELL;
}

/** A script that sets variables and becomes the command that is given to it. */
export function secretsScript(values: ReadonlyMap<string, string>): string {
  const lines = [...values].map(([name, value]) => `export ${name}='${value.replaceAll("'", `'\\''`)}'`);
  return [...lines, 'exec "$@"', ''].join('\n');
}
