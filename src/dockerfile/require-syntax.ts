import { BuildError } from '../core/index.ts';
import { readDirectives } from './directives.ts';
import { createSourceText } from './source-text.ts';
import type { Dockerfile } from './types.ts';

const OWN_FRONTEND = /^(?:[^@]*\/)?docker\/dockerfile(?:-upstream)?(?:[:@].*)?$/;

/**
 * Checks that the file is written for this frontend: its `syntax` directive is absent, or names `docker/dockerfile` (any
 * version, also from a mirror). Features of newer versions are not held back, and nothing is downloaded. To be called
 * before the file is parsed: what is written for another frontend need not be a Dockerfile at all.
 *
 * @param override The build argument `BUILDKIT_SYNTAX`, which takes the place of the directive.
 * @throws BuildError `UNSUPPORTED` for any other frontend, located at the directive.
 */
export function requireSyntax(file: Pick<Dockerfile, 'fileName' | 'text'>, override?: string): void {
  const source = createSourceText(file.fileName, file.text);
  const { fileName, text } = source;
  const { directives } = readDirectives(source);
  const [image = ''] = (override ?? directives.syntax?.value ?? '').trim().split(/\s/);
  if (image === '' || OWN_FRONTEND.test(image)) return;
  throw new BuildError(
    'UNSUPPORTED',
    `The file asks for the frontend ${image}, and only docker/dockerfile is built in.`,
    {
      hint: 'Remove the syntax directive if the file is a plain Dockerfile; frontends from images are not run.',
      location:
        override === undefined && directives.syntax ? { fileName, text, range: directives.syntax.range } : undefined,
    },
  );
}
