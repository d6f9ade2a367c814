const MAX_BYTES = 64 << 10;
const MAX_LINES = 20;

/** Remembers the end of a command's output. */
export interface OutputTail {
  add(bytes: Uint8Array): void;
  /** The last lines, oldest first, without line ends. */
  lines(): readonly string[];
}

export function createOutputTail(): OutputTail {
  let chunks: Buffer[] = [];
  let sizeBytes = 0;
  return {
    add: (bytes) => {
      chunks.push(Buffer.from(bytes));
      sizeBytes += bytes.length;
      if (sizeBytes < 2 * MAX_BYTES) return;
      chunks = [Buffer.concat(chunks).subarray(-MAX_BYTES)];
      sizeBytes = MAX_BYTES;
    },
    lines: () => {
      const text = Buffer.concat(chunks).subarray(-MAX_BYTES).toString('utf8');
      return text
        .replace(/\n$/, '')
        .split('\n')
        .slice(-MAX_LINES)
        .filter((line, _, all) => all.length > 1 || line !== '');
    },
  };
}
