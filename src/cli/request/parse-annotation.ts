import type { AnnotationInput, AnnotationLevel, BuildRequest } from '../../backends/index.ts';
import { splitPair, usage } from '../options/values.ts';

const LEVELS = ['manifest', 'index', 'manifest-descriptor', 'index-descriptor'] as const satisfies AnnotationLevel[];

/** A level, and the platform whose images are meant. */
const PLACE = /^([a-z-]+)(?:\[([\w./-]+)\])?$/;

/**
 * Reads the values of `--annotation` in buildx's notation: `KEY=VALUE`, `LEVEL:KEY=VALUE`, `LEVEL,LEVEL[PLATFORM]:KEY=VALUE`.
 * Where nothing but manifests is annotated the result is a plain record.
 *
 * @throws BuildError `USAGE`
 */
export function parseAnnotations(texts: readonly string[]): BuildRequest['annotations'] {
  const parsed = texts.filter((text) => text !== '').flatMap(parseAnnotation);
  const isPlain = parsed.every(({ level, platform }) => level === undefined && platform === undefined);
  return isPlain ? Object.fromEntries(parsed.map(({ key, value }) => [key, value])) : parsed;
}

function parseAnnotation(text: string): readonly AnnotationInput[] {
  const { name, value } = splitPair(text);
  const colon = name.indexOf(':');
  const key = name.slice(colon + 1);
  if (key === '' || value === undefined) {
    throw usage(`--annotation takes [LEVEL:]KEY=VALUE, not "${text}".`);
  }
  if (colon < 0) return [{ key, value }];
  return name
    .slice(0, colon)
    .split(',')
    .map((place) => ({ key, value, ...parsePlace(place, text) }));
}

function parsePlace(place: string, text: string): Pick<AnnotationInput, 'level' | 'platform'> {
  const [, word, platform] = PLACE.exec(place) ?? [];
  const level = LEVELS.find((known) => known === word);
  if (level !== undefined) return { level, ...(platform === undefined ? {} : { platform }) };
  throw usage(
    `--annotation "${text}" is for "${place}", which cannot be annotated.`,
    `It is one of ${LEVELS.join(', ')}, such as manifest[linux/arm64]:KEY=VALUE.`,
  );
}
