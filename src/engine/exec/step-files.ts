import { readFileSync } from 'node:fs';
import { type FileTree, resolvePath } from '../../archive/index.ts';
import { type ExecOp, SCRIPT_PATH } from '../../graph/index.ts';
import type { StepFile } from './types.ts';

/**
 * The files that every step gets: who it is on the network, and its script. They may be written to, as in a container; what is
 * written is lost with the step.
 */
export function systemFiles(op: ExecOp, base: FileTree): readonly StepFile[] {
  const files = [
    textFile('etc/hosts', hostsText(op)),
    textFile('etc/hostname', `${op.hostname}\n`),
    // The resolver's address may be a loopback address of the host: the step shares the host's network.
    textFile('etc/resolv.conf', op.network === 'none' ? '' : readHostFile('/etc/resolv.conf')),
  ];
  const placed = files.flatMap((file) => {
    const target = resolvePath(base, file.target, { followLast: true });
    return target === '' || base.stat(target)?.type === 'directory' ? [] : [{ ...file, target }];
  });
  return op.script === undefined ? placed : [...placed, scriptFile(op.script)];
}

function textFile(target: string, text: string): StepFile {
  return { target, bytes: Buffer.from(text), mode: 0o644, uid: 0, gid: 0, readonly: false };
}

function scriptFile(script: string): StepFile {
  return { ...textFile(SCRIPT_PATH.slice(1), script), mode: 0o755, readonly: true };
}

function hostsText(op: ExecOp): string {
  const own = [`127.0.0.1\tlocalhost ${op.hostname}`, '::1\tlocalhost ip6-localhost ip6-loopback'];
  return `${[...own, ...op.extraHosts.map(({ name, address }) => `${address}\t${name}`)].join('\n')}\n`;
}

function readHostFile(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
