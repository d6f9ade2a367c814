import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type BuildRequest, type BuildResult, build } from '../../src/index.ts';
import { importBusybox, missingForRun } from './busybox-image.ts';

const home = mkdtempSync(join(tmpdir(), 'zlayer-history-'));
const dataDir = join(home, 'store');
let count = 0;

beforeAll(() => (missingForRun() === undefined ? importBusybox(dataDir) : undefined));
afterAll(() => rmSync(home, { recursive: true, force: true }));

function buildText(text: string, options: Partial<BuildRequest> = {}): Promise<BuildResult> {
  count += 1;
  const path = join(home, `context-${count}`);
  mkdirSync(path);
  writeFileSync(join(path, 'Dockerfile'), text);
  writeFileSync(join(path, 'f'), 'f');
  return build({ context: { kind: 'directory', path }, dataDir, ...options });
}

/** `*` before the texts of entries with a layer. */
function textsOf({ config }: BuildResult): readonly string[] {
  return (config.history ?? []).map(({ created_by: text, empty_layer: isEmpty }) => `${isEmpty ? '' : '* '}${text}`);
}

function expectAligned({ config, layers }: BuildResult): void {
  expect(config.history?.filter((entry) => entry.empty_layer !== true)).toHaveLength(layers.length);
  expect(config.rootfs.diff_ids).toHaveLength(layers.length);
}

describe('history of an image', () => {
  it('has an entry for every instruction, with its expanded text', async () => {
    const built = await buildText(
      [
        'ARG GLOBAL=1',
        'FROM scratch AS s',
        'COPY f /',
        'FROM scratch',
        'ARG A=1 B',
        'ENV x=$A y="a b"',
        'LABEL l="q r" m=n',
        'WORKDIR /w',
        'WORKDIR deep/',
        'WORKDIR /',
        'COPY --from=s --link --exclude=z f $x/',
        'COPY --parents --chown=1:2 --chmod=0755 f /p/',
        'COPY <<one <<two /h/',
        '1',
        'one',
        '2',
        'two',
        'ADD f /t',
        'CMD echo hi',
        'ENTRYPOINT ["a", "b"]',
        'EXPOSE 80 53/udp',
        'VOLUME /v /w',
        'USER 1:2',
        'STOPSIGNAL SIGTERM',
        'HEALTHCHECK --interval=3s CMD x',
        'MAINTAINER me',
        'ONBUILD RUN x',
        'SHELL ["/bin/other", "-c"]',
        'CMD echo hi',
      ].join('\n'),
    );
    expect(textsOf(built)).toEqual([
      'ARG A=1 B',
      'ENV x=1 y=a b',
      'LABEL l=q r m=n',
      '* WORKDIR /w',
      '* WORKDIR /w/deep',
      'WORKDIR /',
      '* COPY f 1/ # buildkit',
      '* COPY --parents --chown=1:2 --chmod=0755 f /p/ # buildkit',
      '* COPY <<one <<two /h/ # buildkit',
      '* ADD f /t # buildkit',
      'CMD ["/bin/sh" "-c" "echo hi"]',
      'ENTRYPOINT ["a" "b"]',
      'EXPOSE [53/udp 80/tcp]',
      'VOLUME [/v /w]',
      'USER 1:2',
      'STOPSIGNAL SIGTERM',
      expect.stringMatching(/^HEALTHCHECK .*CMD-SHELL.*3s/),
      'MAINTAINER me',
      'SHELL [/bin/other -c]',
      'CMD ["/bin/other" "-c" "echo hi"]',
    ]);
    expectAligned(built);
    expect(built.config.author).toBe('me');
    expect(built.config.config).toMatchObject({ WorkingDir: '/', User: '1:2', OnBuild: ['RUN x'] });
  });

  it('keeps the entries of the base, and has those of its triggers, but none of their definition', async () => {
    await buildText('FROM scratch\nCOPY f /base\nONBUILD COPY f /trigger\nONBUILD ENV T=1\n', {
      tags: ['history-base'],
    });
    const built = await buildText('# check=skip=UnpinnedBaseImage\nFROM history-base\nENV own=1\n');
    expect(textsOf(built)).toEqual([
      '* COPY f /base # buildkit',
      '* COPY f /trigger # buildkit',
      'ENV T=1',
      'ENV own=1',
    ]);
    expect(built.config.config?.OnBuild).toBeUndefined();
    expectAligned(built);
  });

  it('gives new entries SOURCE_DATE_EPOCH, and leaves those of the base', async () => {
    const base = await buildText('FROM scratch\nCOPY f /base\n', { tags: ['dated-base'], sourceDateEpoch: 1_000 });
    const built = await buildText('FROM dated-base\nCOPY f /own\nENV a=b\n', { sourceDateEpoch: 2_000 });
    expect(built.config.history?.map(({ created }) => created)).toEqual([
      ...(base.config.history ?? []).map(({ created }) => created),
      '1970-01-01T00:33:20.000Z',
      '1970-01-01T00:33:20.000Z',
    ]);
    expect(built.config.created).toBe('1970-01-01T00:33:20.000Z');
    expect(base.config.created).toBe('1970-01-01T00:16:40.000Z');
  });

  it('has layers and entries alike where steps change nothing', async () => {
    const text = 'FROM scratch\nWORKDIR /w\nWORKDIR /w\nCOPY f /w/\nCOPY f /w/\n';
    expectAligned(await buildText(text));
    expect(textsOf(await buildText(text))).toHaveLength(4);
  });

  describe.skipIf(missingForRun() !== undefined)('with RUN', () => {
    it('shows the arguments in effect, each once, and no secret or proxy that is not declared', async () => {
      const built = await buildText(
        [
          'FROM localhost/busybox',
          'ARG A=1 B C',
          'ARG A=2',
          'RUN --mount=type=secret,id=s true',
          'RUN ["/bin/true", "a b"]',
          'RUN <<EOF',
          'true',
          'EOF',
          'ARG HTTP_PROXY',
          'RUN true',
        ].join('\n'),
        {
          buildArgs: { B: 'b', HTTP_PROXY: 'http://p', HTTPS_PROXY: 'http://q' },
          secrets: { s: { kind: 'value', value: 'hidden' } },
        },
      );
      expect(textsOf(built).slice(1)).toEqual([
        'ARG A=1 B=b C',
        'ARG A=2',
        '* RUN |3 A=2 B=b C= /bin/sh -c true # buildkit',
        '* RUN |3 A=2 B=b C= /bin/true a b # buildkit',
        expect.stringMatching(/^\* RUN \|3 A=2 B=b C= \/bin\/sh -c true\n? # buildkit$/),
        'ARG HTTP_PROXY=http://p',
        '* RUN |4 A=2 B=b C= HTTP_PROXY=http://p /bin/sh -c true # buildkit',
      ]);
      expectAligned(built);
      expect(JSON.stringify(built.config)).not.toMatch(/hidden|http:\/\/q/);
    });
  });
});
