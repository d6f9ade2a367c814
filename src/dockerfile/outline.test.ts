import { describe, expect, it } from 'vitest';
import { outlineDockerfile, targetsOf } from './outline.ts';
import { parseDockerfile } from './parse.ts';

const DOCKERFILE = parseDockerfile(
  `ARG UNUSED=1
# VERSION of the base
ARG VERSION=12
# build makes the program
FROM --platform=$BUILDPLATFORM debian:$VERSION AS Build
# JOBS at once
ARG JOBS=4 VERSION
ARG ID=npm
RUN --mount=type=secret,id=$ID --mount=type=cache,target=/root/.cache --mount=type=ssh make
RUN --mount=type=secret,id=npm,required make install

FROM scratch AS other
ARG ELSEWHERE

FROM scratch
COPY --from=build /out /
`,
  { fileName: 'Dockerfile' },
);

describe('targetsOf()', () => {
  it('lists stages with their descriptions, the last as default', () => {
    expect(targetsOf(DOCKERFILE).map(({ location: _, ...target }) => target)).toEqual([
      {
        name: 'build',
        index: 0,
        description: 'makes the program',
        base: 'debian:$VERSION',
        platform: '$BUILDPLATFORM',
        isDefault: false,
      },
      { name: 'other', index: 1, base: 'scratch', isDefault: false },
      { index: 2, base: 'scratch', isDefault: true },
    ]);
  });
});

describe('outlineDockerfile()', () => {
  it('tells what the stages of the target take', () => {
    const { args, secrets, ssh, caches } = outlineDockerfile(DOCKERFILE, { buildArgs: { JOBS: '8' } });
    expect(args.map(({ location, ...arg }) => ({ ...arg, line: location.range.start.line }))).toEqual([
      { name: 'VERSION', description: 'of the base', value: '12', line: 3 },
      { name: 'JOBS', description: 'at once', value: '8', line: 7 },
      { name: 'ID', value: 'npm', line: 8 },
    ]);
    expect(secrets).toEqual([{ id: 'npm', required: true }]);
    expect(ssh).toEqual([{ id: 'default', required: false }]);
    expect(caches).toEqual(['/root/.cache']);
  });
  it('leaves out stages that the target does not need', () => {
    expect(outlineDockerfile(DOCKERFILE, { target: 'OTHER' })).toMatchObject({
      target: { name: 'other' },
      args: [{ name: 'ELSEWHERE' }],
      secrets: [],
    });
  });
  it('names the nearest stage for a target that is not there', () => {
    expect(() => outlineDockerfile(DOCKERFILE, { target: 'biuld' })).toThrow(
      expect.objectContaining({ code: 'STAGE_NOT_FOUND', hint: 'The nearest stage is build.' }),
    );
  });
});
