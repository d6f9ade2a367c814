import type { BuildEvent, TimeMs } from '../../core/index.ts';
import type { TextOutput } from '../command.ts';
import type { Style } from '../terminal/style.ts';
import { type BuildView, createBuildView } from './build-view.ts';
import { createLiveRegion } from './live-region.ts';
import type { Progress } from './progress.ts';
import { ASCII_SYMBOLS, type FrameLayout, formatEnded, formatFrame, UNICODE_SYMBOLS } from './tty-frame.ts';
import { formatWarnings } from './warning-list.ts';

/** What the terminal display needs of the world. */
export interface TtyOptions {
  readonly output: TextOutput;
  readonly style: Style;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly now: () => TimeMs;
}

const REDRAW_MS = 100;
const DEFAULT_COLUMNS = 80;
const DEFAULT_ROWS = 24;

/** Progress for a terminal: a line for every step that ended, and below them the steps at work, redrawn ten times a second. */
export function createTtyProgress(options: TtyOptions): Progress {
  const view = createBuildView();
  const region = createLiveRegion(options.output);
  const symbols = hasUnicode(options.env) ? UNICODE_SYMBOLS : ASCII_SYMBOLS;
  let timer: NodeJS.Timeout | undefined;
  let closed = false;

  const layout = (): FrameLayout => ({
    columns: Math.max(20, options.output.columns() ?? DEFAULT_COLUMNS),
    rows: options.output.rows() ?? DEFAULT_ROWS,
    style: options.style,
    symbols,
    now: options.now(),
  });
  const draw = (): void => {
    const now = layout();
    region.update(takeEnded(view, now), formatFrame(view, now));
  };
  const onEvent = (event: BuildEvent): void => {
    view.onEvent(event);
    if (timer !== undefined || closed) return;
    // The first frame waits too: a build that is all cached prints its steps at once and never flickers.
    timer = setInterval(draw, REDRAW_MS);
    timer.unref();
  };
  const close = (): void => {
    if (closed) return;
    closed = true;
    clearInterval(timer);
    const ended = takeEnded(view, layout());
    if (ended.length > 0) region.update(ended, []);
    region.close();
    const warnings = formatWarnings(view.warnings, options.style);
    if (warnings.length > 0) options.output.write(`${warnings.join('\n')}\n`);
  };
  return { onEvent, showsWholeOutput: false, close };
}

function takeEnded(view: BuildView, layout: FrameLayout): readonly string[] {
  const ended = view.ended.splice(0);
  const numberOf = (item: (typeof ended)[number]): number => ('number' in item ? item.number : Number.MAX_SAFE_INTEGER);
  return ended.sort((a, b) => numberOf(a) - numberOf(b)).map((item) => formatEnded(item, layout));
}

function hasUnicode(env: TtyOptions['env']): boolean {
  const locale = env.LC_ALL || env.LC_CTYPE || env.LANG || '';
  return /utf-?8/i.test(locale) || (locale === '' && env.TERM_PROGRAM !== undefined) || env.WT_SESSION !== undefined;
}
