import type { TimeMs } from '../../core/index.ts';
import { sanitizeLine } from '../terminal/sanitize.ts';
import type { Style } from '../terminal/style.ts';
import { clipText, padText, textWidth } from '../terminal/text-width.ts';
import { formatDuration, formatSize } from '../terminal/units.ts';
import type { BuildView, StepView, TransferView } from './build-view.ts';

/** How a frame is drawn. */
export interface FrameLayout {
  readonly columns: number;
  readonly rows: number;
  readonly style: Style;
  readonly symbols: Symbols;
  readonly now: TimeMs;
}

/** The signs of a terminal that has Unicode, or of one that has not. */
export interface Symbols {
  readonly done: string;
  readonly failed: string;
  readonly spinner: readonly string[];
  readonly barFull: string;
  readonly barEmpty: string;
  readonly arrows: Readonly<Record<TransferView['direction'], string>>;
}

export const UNICODE_SYMBOLS: Symbols = {
  done: '✔',
  failed: '✘',
  spinner: ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'],
  barFull: '━',
  barEmpty: '─',
  arrows: { pull: '↓', download: '↓', push: '↑', export: '→' },
};

export const ASCII_SYMBOLS: Symbols = {
  done: '+',
  failed: 'x',
  spinner: ['|', '/', '-', '\\'],
  barFull: '=',
  barEmpty: '.',
  arrows: { pull: '<', download: '<', push: '>', export: '>' },
};

const SPINNER_MS = 100;
const MAX_TAIL_LINES = 6;
/** Before this a rate says nothing. */
const MIN_RATE_SECONDS = 0.5;
/** A note beside a step's name needs this many columns at least. */
const MIN_NOTE_COLUMNS = 12;
const BAR_COLUMNS = 20;
const LOG_INDENT = '     ';

/** The line that a step or a transfer leaves behind. */
export function formatEnded(ended: StepView | TransferView, layout: FrameLayout): string {
  const { style, symbols } = layout;
  if ('direction' in ended) {
    const arrow = symbols.arrows[ended.direction];
    return row({ sign: style.green(arrow), text: ended.name, right: formatSize(ended.currentBytes) }, layout);
  }
  if (ended.state === 'failed') {
    return row(
      { sign: style.red(symbols.failed), text: ended.name, right: formatDuration(ended.durationMs), paint: style.red },
      layout,
    );
  }
  const isCached = ended.verdict?.kind === 'cached';
  const changed = (ended.verdict?.changes ?? []).map(({ input }) => sanitizeLine(input));
  return row(
    {
      sign: style.green(symbols.done),
      text: ended.name,
      note: changed.length === 0 ? '' : `changed: ${changed.join(', ')}`,
      right: isCached ? 'cached' : formatDuration(ended.durationMs),
      paintRight: isCached ? style.cyan : style.dim,
    },
    layout,
  );
}

/** The lines that are redrawn: running steps with their last output, transfers, and the state of the whole. */
export function formatFrame(view: BuildView, layout: FrameLayout): readonly string[] {
  const running = [...view.steps.values()].filter(({ state }) => state === 'running');
  const ofSteps = new Set(running.map(({ id }) => id));
  const loose = [...view.transfers.values()].filter(({ vertex }) => vertex === undefined || !ofSteps.has(vertex));
  const footer = footerLine(view, layout);
  const room = Math.max(1, layout.rows - 2);
  const blocks = [
    ...running.map((step) => stepBlock(step, view, layout)),
    ...loose.map((transfer) => ({ head: transferLine(transfer, layout, ' '), body: [] as readonly string[] })),
  ];
  return [...fitBlocks(blocks, room, layout), footer];
}

interface Block {
  readonly head: string;
  readonly body: readonly string[];
}

/** Heads come first; what room is left is shared among the bodies, their last lines kept. */
function fitBlocks(blocks: readonly Block[], room: number, layout: FrameLayout): readonly string[] {
  const shown = blocks.length <= room ? blocks : blocks.slice(0, room - 1);
  const hidden = blocks.length - shown.length;
  const share = shown.length === 0 ? 0 : Math.floor((room - shown.length - (hidden > 0 ? 1 : 0)) / shown.length);
  const limit = Math.max(0, Math.min(MAX_TAIL_LINES, share));
  return [
    ...shown.flatMap(({ head, body }) => [head, ...(limit === 0 ? [] : body.slice(-limit))]),
    ...(hidden > 0 ? [layout.style.dim(clipText(`   and ${hidden} more at work`, layout.columns - 1))] : []),
  ];
}

function stepBlock(step: StepView, view: BuildView, layout: FrameLayout): Block {
  const { style, symbols, now } = layout;
  const spinner = symbols.spinner[Math.floor(now / SPINNER_MS) % symbols.spinner.length]!;
  const transfers = [...view.transfers.values()].filter(({ vertex }) => vertex === step.id);
  const width = Math.max(1, layout.columns - 1 - LOG_INDENT.length);
  return {
    head: row({ sign: style.blue(spinner), text: step.name, right: formatDuration(now - step.startedMs) }, layout),
    body: [
      ...step.tail.map((line) => LOG_INDENT + style.dim(clipText(line, width))),
      ...transfers.map((transfer) => transferLine(transfer, layout, LOG_INDENT)),
    ],
  };
}

function transferLine(transfer: TransferView, layout: FrameLayout, indent: string): string {
  const { style, symbols, now } = layout;
  const { currentBytes, totalBytes } = transfer;
  const seconds = (now - transfer.startedMs) / 1000;
  const rate = seconds < MIN_RATE_SECONDS ? '' : ` ${formatSize(currentBytes / seconds)}/s`;
  const total = totalBytes === undefined ? '' : `/${formatSize(totalBytes)}`;
  const available = layout.columns - 1 - indent.length - 2;
  const amount = clipText(`${formatSize(currentBytes)}${total}${rate}`, available - 2);
  const barColumns = totalBytes === undefined || available < 60 ? 0 : BAR_COLUMNS;
  const bar = barColumns === 0 ? '' : `${progressBar(currentBytes / Math.max(1, totalBytes!), barColumns, layout)} `;
  const width = Math.max(1, available - amount.length - 1 - (barColumns === 0 ? 0 : barColumns + 1));
  const name = padText(clipText(transfer.name, width), width);
  return `${indent}${style.blue(symbols.arrows[transfer.direction])} ${name} ${bar}${style.dim(amount)}`;
}

function progressBar(share: number, columns: number, { style, symbols }: FrameLayout): string {
  const full = Math.round(Math.min(1, Math.max(0, share)) * columns);
  return style.green(symbols.barFull.repeat(full)) + style.dim(symbols.barEmpty.repeat(columns - full));
}

function footerLine(view: BuildView, layout: FrameLayout): string {
  const steps = [...view.steps.values()];
  const done = steps.filter(({ state }) => state === 'done');
  const cached = done.filter(({ verdict }) => verdict?.kind === 'cached').length;
  const parts = [
    ...(steps.length === 0 ? [] : [`${done.length}/${steps.length} steps`]),
    ...(cached === 0 ? [] : [`${cached} cached`]),
    formatDuration(layout.now - (view.startedMs ?? layout.now)),
    ...(view.fileName === undefined ? [] : [view.fileName]),
  ];
  return layout.style.bold(clipText(`   ${parts.join('  ')}`, layout.columns - 1));
}

interface Row {
  readonly sign: string;
  readonly text: string;
  readonly right: string;
  /** Shown beside the text where there is room. */
  readonly note?: string;
  readonly paint?: (text: string) => string;
  readonly paintRight?: (text: string) => string;
}

/** ` sign text note … right`, one column short of the terminal's width. */
function row({ sign, text, right, note = '', paint, paintRight }: Row, { columns, style }: FrameLayout): string {
  const width = Math.max(1, columns - 1 - 3 - 1 - textWidth(right));
  const name = clipText(text, width);
  const room = width - textWidth(name) - 2;
  const beside = note === '' || room < MIN_NOTE_COLUMNS ? '' : `  ${clipText(note, room)}`;
  const label = /^\[[^\]]*\]/.exec(name)?.[0] ?? '';
  const painted = paint === undefined ? style.dim(label) + name.slice(label.length) : paint(name);
  const fill = padText('', width - textWidth(name) - textWidth(beside));
  return ` ${sign} ${painted}${style.yellow(beside)}${fill} ${(paintRight ?? style.dim)(right)}`;
}
