import { BuildError, formatPlatform, type Platform, parsePlatform, platformOfHost } from '../../core/index.ts';
import type { AnnotationInput, AnnotationLevel, BuildRequest } from '../types.ts';
import { platformsOf } from './request-platforms.ts';

type Annotated = Pick<BuildRequest, 'annotations' | 'platform'>;

/** The annotations of a request one by one. */
export function listAnnotations({ annotations = [] }: Pick<BuildRequest, 'annotations'>): readonly AnnotationInput[] {
  if (isList(annotations)) return annotations;
  return Object.entries(annotations).map(([key, value]) => ({ key, value }));
}

function isList(annotations: NonNullable<BuildRequest['annotations']>): annotations is readonly AnnotationInput[] {
  return Array.isArray(annotations);
}

/** The annotations for one place. Those for the platform win over those for all, as with BuildKit. */
export function annotationsAt(
  request: Annotated,
  level: AnnotationLevel,
  platform?: Platform,
): Readonly<Record<string, string>> {
  const wanted = platform === undefined ? undefined : formatPlatform(platform);
  const atLevel = listAnnotations(request).filter((each) => (each.level ?? 'manifest') === level);
  const general = atLevel.filter((each) => each.platform === undefined);
  const own = atLevel.filter((each) => each.platform !== undefined && platformText(each.platform) === wanted);
  return Object.fromEntries([...general, ...own].map(({ key, value }) => [key, value]));
}

/** The annotations of the descriptor that leads to what a build makes: of its index, or of its only manifest. */
export function rootAnnotations(request: Annotated): Readonly<Record<string, string>> {
  const [only, ...others] = platformsOf(request);
  return others.length > 0
    ? annotationsAt(request, 'index-descriptor')
    : annotationsAt(request, 'manifest-descriptor', only);
}

/**
 * Refuses annotations that would end nowhere.
 *
 * @throws BuildError `USAGE`: of an index where one platform is built, of an index for one platform, for a platform that is
 * not built, without a key.
 */
export function checkAnnotations(request: Annotated): void {
  const platforms = platformsOf(request).map(formatPlatform);
  for (const { key, level = 'manifest', platform } of listAnnotations(request)) {
    const isOfIndex = level.startsWith('index');
    if (key === '') throw new BuildError('USAGE', 'An annotation has no key.', { hint: 'Write KEY=VALUE.' });
    if (isOfIndex && platform !== undefined) {
      throw new BuildError('USAGE', `The annotation ${key} of the ${level} cannot be for ${platform} alone.`, {
        hint: 'One index holds all platforms. Annotate manifest or manifest-descriptor for one of them.',
      });
    }
    if (isOfIndex && platforms.length === 1) {
      throw new BuildError(
        'USAGE',
        `The annotation ${key} of the ${level} has no place: one platform makes no index.`,
        {
          hint: 'Build several platforms, or annotate the manifest.',
        },
      );
    }
    if (platform !== undefined && !platforms.includes(platformText(platform))) {
      throw new BuildError('USAGE', `The annotation ${key} is for ${platform}, which is not built.`, {
        hint: `The platforms of this build: ${platforms.join(', ')}.`,
      });
    }
  }
}

function platformText(text: string): string {
  return formatPlatform(parsePlatform(text, platformOfHost(process.platform, process.arch)));
}
