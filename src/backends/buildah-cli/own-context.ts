import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { digestHex, digestOf } from '../../core/index.ts';
import type { Graph, VertexId } from '../../graph/index.ts';
import { EMPTY_DIRECTORY } from './render-stage.ts';

/** What the build itself lends to its steps: an empty directory, and the scripts of heredocs. */
export interface OwnContext {
  readonly directory: string;
  /** Paths in it of the scripts of steps. */
  readonly scripts: ReadonlyMap<VertexId, string>;
}

/** Makes the directory. */
export async function writeOwnContext(workDir: string, graph: Graph): Promise<OwnContext> {
  const directory = join(workDir, 'own');
  await mkdir(join(directory, EMPTY_DIRECTORY), { recursive: true });
  const scripts = new Map<VertexId, string>();
  for (const { id, op } of graph.vertices) {
    if (op.kind !== 'exec' || op.script === undefined) continue;
    const name = `script-${digestHex(digestOf(op.script)).slice(0, 16)}`;
    scripts.set(id, name);
    await writeFile(join(directory, name), op.script, { mode: 0o755 });
  }
  return { directory, scripts };
}
