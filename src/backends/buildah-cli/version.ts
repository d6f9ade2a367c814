/** A version of buildah. */
export interface BuildahVersion {
  readonly major: number;
  readonly minor: number;
  readonly patch: number;
}

/** The oldest version that is driven: it knows named build contexts, and says how a step ended. */
export const MINIMUM_VERSION: BuildahVersion = { major: 1, minor: 28, patch: 0 };

/** Reads what `buildah --version` prints, such as `buildah version 1.28.2 (image-spec …)`; undefined for anything else. */
export function parseBuildahVersion(text: string): BuildahVersion | undefined {
  const match = /^buildah version (\d+)\.(\d+)(?:\.(\d+))?/m.exec(text);
  if (match === null) return undefined;
  return { major: Number(match[1]), minor: Number(match[2]), patch: Number(match[3] ?? 0) };
}

/** Whether `version` is `major.minor` or later. */
export function isAtLeast(version: BuildahVersion, major: number, minor: number): boolean {
  return version.major > major || (version.major === major && version.minor >= minor);
}

export function formatVersion({ major, minor, patch }: BuildahVersion): string {
  return `${major}.${minor}.${patch}`;
}
