import type { BuildEvent } from '../../core/index.ts';
import { sanitizeText } from '../terminal/sanitize.ts';
import type { Style } from '../terminal/style.ts';

type Warning = Extract<BuildEvent, { kind: 'warning' }>;

/** Warnings for the end of a build: each once, with its place and hint. No lines when there are none. */
export function formatWarnings(warnings: readonly Warning[], style: Style): readonly string[] {
  const entries = [...new Map(warnings.map((warning) => [headOf(warning), warning])).entries()];
  if (entries.length === 0) return [];
  return [
    style.yellow(`${entries.length} warning${entries.length === 1 ? '' : 's'}:`),
    ...entries.flatMap(([head, { hint }]) => [
      `  ${style.yellow('!')} ${head}`,
      ...(hint === undefined ? [] : [`    ${style.dim(sanitizeText(hint))}`]),
    ]),
  ];
}

function headOf({ code, message, location }: Warning): string {
  const place = location === undefined ? '' : `${location.fileName}:${location.range.start.line}: `;
  return sanitizeText(`${place}${message} (${code})`);
}
