import { createHash } from 'node:crypto';
import { expect } from 'vitest';
import { type FeatureCase, printing } from './feature-case.ts';

const FETCHED = `sha256:${createHash('sha256').update('fetched').digest('hex')}`;

/** A tar of one file `inside` that holds `packed`. */
function archiveOf(text: string): string {
  const header = Buffer.alloc(512);
  header.write('inside', 0);
  header.write('0000644\0', 100);
  header.write('0000000\0', 108);
  header.write('0000000\0', 116);
  header.write(`${text.length.toString(8).padStart(11, '0')}\0`, 124);
  header.write('00000000000\0', 136);
  header.write('        ', 148);
  header.write('0', 156);
  header.write('ustar\x0000', 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return Buffer.concat([header, Buffer.from(text.padEnd(512, '\0')), Buffer.alloc(1024)]).toString('latin1');
}

/** What COPY, ADD and HEALTHCHECK can ask for. */
export const FILE_CASES = {
  'copy-link': printing(
    ({ base, nonce }) => ({
      files: { file: `linked ${nonce}` },
      lines: [`FROM ${base}`, 'COPY --link file /new/file', 'RUN cat /new/file'],
    }),
    /linked/,
  ),
  'copy-parents': printing(
    ({ base, nonce }) => ({
      files: { 'a/b/file': `below parents ${nonce}` },
      lines: [`FROM ${base}`, 'COPY --parents a/b/file /new/', 'RUN cat /new/a/b/file'],
    }),
    /below parents/,
  ),
  'copy-exclude': printing(
    ({ base, nonce }) => ({
      files: { 'd/kept.txt': nonce, 'd/left.md': nonce },
      lines: [`FROM ${base}`, 'COPY --exclude=*.md d /new/', 'RUN ls /new; test ! -e /new/left.md && echo without'],
    }),
    /kept\.txt/,
    /without/,
  ),
  'copy-heredoc': printing(
    ({ base, nonce }) => ({
      lines: [`FROM ${base}`, `ARG NAME=${nonce}`, 'COPY <<EOF /new', 'written as $NAME', 'EOF', 'RUN cat /new'],
    }),
    /written as n/,
  ),
  'chmod-symbolic': printing(
    ({ base, nonce }) => ({
      files: { file: nonce },
      lines: [`FROM ${base}`, 'COPY --chmod=u=rwx,go= file /new', 'RUN echo mode $(stat -c %a /new)'],
    }),
    /mode 700/,
  ),
  'add-url': printing(
    ({ base, nonce, around }) => ({
      lines: [`FROM ${base}`, `ADD http://${around.files.host}/file /new`, `RUN echo "[$(cat /new)]" ${nonce}`],
    }),
    /\[fetched\]/,
  ),
  'add-git': printing(
    ({ base, nonce, around }) => ({
      lines: [
        `FROM ${base}`,
        `ADD http://${around.git.host}/repo.git /new`,
        `RUN echo "[$(cat /new/tracked)]" ${nonce}`,
      ],
    }),
    /\[from git\]/,
  ),
  'add-checksum': {
    ask: ({ base, nonce, around }) => ({
      lines: [
        `FROM ${base}`,
        `ADD --checksum=${FETCHED} http://${around.files.host}/file /new`,
        `RUN echo "[$(cat /new)]" ${nonce}`,
      ],
    }),
    observe: async ({ subject }, ask) => {
      expect((await subject.build(ask)).log).toContain('[fetched]');
      const wrong = { ...ask, lines: ask.lines.map((line) => line.replace(FETCHED, `sha256:${'0'.repeat(64)}`)) };
      await expect(subject.build(wrong)).rejects.toMatchObject({ code: 'CHECKSUM_MISMATCH' });
    },
  },
  'add-unpack': printing(
    ({ base, nonce }) => ({
      files: { 'whole.tar': archiveOf(`packed ${nonce}`) },
      lines: [
        `FROM ${base}`,
        'ADD whole.tar /open/',
        'ADD --unpack=false whole.tar /shut/',
        'RUN cat /open/inside; ls /shut',
      ],
    }),
    /packed/,
    /whole\.tar/,
  ),
  'health-start-interval': {
    ask: ({ base }) => ({ lines: [`FROM ${base}`, 'HEALTHCHECK --start-interval=2s CMD true'] }),
    observe: async ({ subject }, ask) => {
      const { result } = await subject.build(ask);
      expect(result.config.config?.Healthcheck).toMatchObject({ StartInterval: 2_000_000_000 });
    },
  },
} as const satisfies Readonly<Record<string, FeatureCase>>;
