import type { BackendDecision, BackendReport, BackendStatus } from '../../backends/index.ts';
import { sanitizeLine } from '../terminal/sanitize.ts';
import type { Style } from '../terminal/style.ts';
import { padText } from '../terminal/text-width.ts';
import { wrapText } from '../terminal/wrap-text.ts';

interface Layout {
  readonly columns: number;
  readonly style: Style;
}

const GAP = '  ';
const LEAST_COLUMNS = 24;
const STATUS = { available: 'available', unavailable: 'no', 'started-on-demand': 'on demand' } as const;

/** The matrix of backends for people: a backend with what was found of it, then who builds which images, and why. */
export function formatBackends({ host, backends, decisions }: BackendReport, layout: Layout): string {
  const nameWidth = Math.max(...backends.map(({ name }) => name.length));
  const { style } = layout;
  return [
    `${style.bold('Backends')} on this host (${host})`,
    '',
    ...backends.flatMap((status) => statusLines(status, nameWidth, layout)),
    '',
    style.bold('Who builds'),
    '',
    ...decisions.flatMap((decision) => decisionLines(decision, layout)),
    '',
  ].join('\n');
}

function statusLines({ name, status, details }: BackendStatus, nameWidth: number, layout: Layout): readonly string[] {
  const { style } = layout;
  const paint = { available: style.green, unavailable: style.dim, 'started-on-demand': style.cyan }[status];
  const word = paint(padText(STATUS[status], 9));
  const texts = details.map((text) => endSentence(sanitizeLine(text)));
  return hang(`${padText(name, nameWidth)}${GAP}${word}${GAP}`, nameWidth + 9 + 2 * GAP.length, texts, layout);
}

function decisionLines({ images, backend, order, reason }: BackendDecision, layout: Layout): readonly string[] {
  const { style } = layout;
  const label = padText(`${images === 'linux' ? 'Linux' : 'Windows'} images`, 14);
  const tried = order.length < 2 ? [] : [style.dim(`Tried in this order: ${order.join(', ')}.`)];
  const head = backend === undefined ? style.yellow('nobody') : style.bold(backend);
  return hang(`${label}${GAP}`, 14 + GAP.length, [head, endSentence(sanitizeLine(reason)), ...tried], layout);
}

/** Texts beside a head, each on lines of its own, below one another. */
function hang(head: string, width: number, texts: readonly string[], { columns }: Layout): readonly string[] {
  const lines = texts.flatMap((text) => wrapText(text, Math.max(LEAST_COLUMNS, columns - width)));
  return lines.map((line, index) => (index === 0 ? `${head}${line}` : `${' '.repeat(width)}${line}`));
}

function endSentence(text: string): string {
  const sentence = `${text.slice(0, 1).toUpperCase()}${text.slice(1)}`;
  return /[.!?]$/.test(sentence) ? sentence : `${sentence}.`;
}
