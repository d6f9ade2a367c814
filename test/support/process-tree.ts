import { readdirSync, readFileSync } from 'node:fs';

/** Processes whose command line or environment names a path: what a killed builder may have left behind. */
export function processesNaming(path: string): readonly string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .flatMap((pid) => {
      const text = ['cmdline', 'environ'].map((file) => readQuietly(`/proc/${pid}/${file}`)).join('\0');
      const isZombie = /^State:\s+Z/m.test(readQuietly(`/proc/${pid}/status`));
      return text.includes(path) && !isZombie
        ? [`${pid} ${readQuietly(`/proc/${pid}/cmdline`).replaceAll('\0', ' ')}`]
        : [];
    });
}

/** Mount points below a path, in this process's mount namespace. */
export function mountsBelow(path: string): readonly string[] {
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .filter((target) => target === path || target.startsWith(`${path}/`));
}

function readQuietly(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // Gone, or another user's.
    return '';
  }
}
