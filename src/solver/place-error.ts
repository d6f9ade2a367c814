import { type BuildError, cleanPath, isBuildError, type SourceLocation } from '../core/index.ts';
import type { StepPart, Vertex } from '../graph/index.ts';

/** Where in its instruction a step's error belongs: at the word that it is about, else at the whole instruction. */
export function placeOfError({ info }: Vertex, error: BuildError): SourceLocation | undefined {
  return (info.parts ?? []).find((part) => isAbout(part, error))?.location ?? info.location;
}

function isAbout({ kind, text }: StepPart, error: BuildError): boolean {
  if (isBuildError(error, 'SOURCE_NOT_FOUND')) {
    const path = error.facts?.path;
    const plain = text.replace(/\\(.)/gsu, '$1');
    return (kind === 'source' || kind === 'mount') && path !== undefined && [text, cleanPath(plain)].includes(path);
  }
  if (isBuildError(error, 'SECRET_MISSING') || isBuildError(error, 'SSH_MISSING')) {
    return kind === 'mount' && text === error.facts?.id;
  }
  if (error.code === 'USER_NOT_FOUND') return kind === 'owner';
  if (error.code === 'COPY_CONFLICT') return kind === 'destination';
  return kind === 'device' && error.message.includes(text);
}
