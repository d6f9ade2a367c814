import { type BuildError, isBuildError } from '../../core/index.ts';
import { sanitizeLine, sanitizeText } from '../terminal/sanitize.ts';
import type { Style } from '../terminal/style.ts';
import { wrapText } from '../terminal/wrap-text.ts';
import { formatExcerpt } from './format-excerpt.ts';

/** How an error is printed. */
export interface ErrorLayout {
  readonly columns: number;
  readonly style: Style;
  /** The verb that failed, for the advice to read its help. */
  readonly command?: string | undefined;
  /** Whether the display has shown the whole output of the step already (`plain`). */
  readonly outputShown?: boolean;
}

const HINT = 'hint: ';

/**
 * An error for people: what failed, where in the file, the last lines of the command's output, and what to do. Lines are
 * for standard error; nothing in them can change the terminal.
 */
export function formatError(error: BuildError, layout: ErrorLayout): string {
  const { style } = layout;
  const [first = '', ...more] = sanitizeText(error.message).split('\n');
  const lines = [
    `${style.red(style.bold('error:'))} ${style.bold(first)} ${style.dim(`[${error.code}]`)}`,
    ...more.map((line) => `  ${line}`),
  ];
  if (error.location !== undefined) lines.push('', ...formatExcerpt(error.location, style));
  lines.push(...outputLines(error, layout), ...ignoreLines(error, style));
  const hints = hintsOf(error, layout);
  if (hints.length > 0) lines.push('');
  for (const hint of hints) lines.push(...hintLines(hint, layout));
  if (error.kind === 'internal') lines.push(...stackLines(error, style));
  return `${lines.join('\n')}\n`;
}

function outputLines(error: BuildError, { style, outputShown }: ErrorLayout): readonly string[] {
  if (!isBuildError(error, 'STEP_FAILED') || error.facts === undefined) return [];
  const { outputTail } = error.facts;
  if (outputTail.length === 0) return ['', style.dim('  The command printed nothing.')];
  if (outputShown === true) return [];
  return [
    '',
    style.dim('Last lines of its output:'),
    ...outputTail.map((line) => `  ${style.dim('|')} ${sanitizeLine(line)}`),
  ];
}

function ignoreLines(error: BuildError, style: Style): readonly string[] {
  if (!isBuildError(error, 'SOURCE_NOT_FOUND') || error.facts?.ignoredBy === undefined) return [];
  const { fileName, line, pattern } = error.facts.ignoredBy;
  return ['', `${style.dim('hidden by')} ${sanitizeLine(fileName)}:${line}: ${sanitizeLine(pattern)}`];
}

function hintsOf(error: BuildError, layout: ErrorLayout): readonly string[] {
  const hints = error.hint === undefined ? [] : [sanitizeText(error.hint)];
  if (error.kind === 'usage' && layout.command !== undefined) hints.push(`See \`zlayer ${layout.command} --help\`.`);
  if (
    error.code === 'STEP_FAILED' &&
    layout.outputShown === false &&
    (error as BuildError<'STEP_FAILED'>).facts?.outputTail.length !== 0
  ) {
    hints.push('Use --progress=plain to see the whole output.');
  }
  if (error.kind === 'internal') hints.push('This is a bug in zlayer. Please report it with the lines below.');
  return hints;
}

function hintLines(hint: string, { columns, style }: ErrorLayout): readonly string[] {
  const indent = ' '.repeat(HINT.length);
  const lines = hint.split('\n').flatMap((line) => wrapText(line, Math.max(20, columns - HINT.length)));
  return lines.map((line, index) => (index === 0 ? style.cyan(HINT) : indent) + line);
}

function stackLines(error: BuildError, style: Style): readonly string[] {
  const cause = error.cause instanceof Error ? error.cause : error;
  return [
    '',
    ...sanitizeText(cause.stack ?? '')
      .split('\n')
      .map((line) => style.dim(line)),
  ];
}
