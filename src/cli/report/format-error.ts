import { type BuildError, isBuildError } from '../../core/index.ts';
import { sanitizeLine, sanitizeText } from '../terminal/sanitize.ts';
import type { Style } from '../terminal/style.ts';
import { wrapText } from '../terminal/wrap-text.ts';
import { formatExcerpt } from './format-excerpt.ts';

/** How an error is printed. */
export interface ErrorLayout {
  /** Where long lines are broken; `Infinity` where there is no terminal. */
  readonly columns: number;
  readonly style: Style;
  /** The verb that failed, for the advice to read its help. */
  readonly command?: string | undefined;
}

const LABEL = 'error: ';
const HINT = 'hint: ';
const MIN_COLUMNS = 20;

/**
 * An error for people: what failed, where in the file, the last lines of the command's output, and what to do. Lines are
 * for standard error; nothing in them can change the terminal.
 */
export function formatError(error: BuildError, layout: ErrorLayout): string {
  const { style } = layout;
  // Whoever cancels knows why; where the work stood at that moment tells nothing.
  if (error.kind === 'cancelled') return `${headLines(error, layout).join('\n')}\n`;
  const hints = hintsOf(error, layout);
  const body = [
    ...(error.location === undefined ? [] : ['', ...formatExcerpt(error.location, style)]),
    ...outputLines(error, style),
  ];
  const lines = [
    ...headLines(error, layout),
    ...body,
    ...(hints.length > 0 && body.length > 0 ? [''] : []),
    ...hints.flatMap((hint) => hintLines(hint, layout)),
    ...(error.kind === 'internal' ? stackLines(error, style) : []),
  ];
  return `${lines.join('\n')}\n`;
}

function hintLines(hint: string, { columns, style }: ErrorLayout): readonly string[] {
  return labelled(hint, HINT, columns).map((line, index) =>
    index === 0 ? style.cyan(HINT) + line.slice(HINT.length) : line,
  );
}

function headLines(error: BuildError, { columns, style }: ErrorLayout): readonly string[] {
  const code = `[${error.code}]`;
  return labelled(`${sanitizeText(error.message)} ${code}`, LABEL, columns).map((line, index) => {
    const start = index === 0 ? style.red(style.bold(LABEL)) : ' '.repeat(LABEL.length);
    const text = line.slice(LABEL.length);
    return start + (text.endsWith(code) ? style.bold(text.slice(0, -code.length)) + style.dim(code) : style.bold(text));
  });
}

/** The text with a label before its first line, the others indented as much. */
function labelled(text: string, label: string, columns: number): readonly string[] {
  const width = Math.max(MIN_COLUMNS, columns - label.length);
  const lines = text.split('\n').flatMap((line) => wrapText(line, width));
  return lines.map((line, index) => (index === 0 ? label : ' '.repeat(label.length)) + line);
}

function outputLines(error: BuildError, style: Style): readonly string[] {
  if (!isBuildError(error, 'STEP_FAILED') || error.facts === undefined) return [];
  const { outputTail, exitCode } = error.facts;
  // A program that could not be started had nothing to say.
  if (outputTail.length === 0 && exitCode === 127) return [];
  if (outputTail.length === 0) return ['', style.dim('The command printed nothing.')];
  const lines = outputTail.map((line) => `  ${style.dim('|')} ${sanitizeLine(line)}`);
  return ['', style.dim('Last lines of its output:'), ...lines];
}

function hintsOf(error: BuildError, { command }: ErrorLayout): readonly string[] {
  const hints = error.hint === undefined ? [] : [sanitizeText(error.hint)];
  if (error.kind === 'usage' && command !== undefined) hints.push(`See \`zlayer ${command} --help\`.`);
  if (error.kind === 'internal') hints.push('This is a bug in zlayer. Please report it with the lines below.');
  return hints;
}

function stackLines(error: BuildError, style: Style): readonly string[] {
  const cause = error.cause instanceof Error ? error.cause : error;
  const lines = sanitizeText(cause.stack ?? '').split('\n');
  return ['', ...lines.map((line) => style.dim(line))];
}
