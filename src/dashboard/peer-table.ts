/** The table of peers: only the rows that are seen exist as elements, so that 10,000 peers cost no more than 20. */
import type { PeerStatus } from '../control/status.ts';
import { formatOctets, formatSpan } from '../control/words.ts';
import { element, setText } from './dom.ts';
import { PeerRates, arrange, nextOrder } from './peer-rows.ts';
import type { PeerColumn, PeerOrder, PeerRow } from './peer-rows.ts';
import { visibleRows } from './visible-rows.ts';

interface Column {
  readonly key: PeerColumn;
  readonly title: string;
  readonly text: (row: PeerRow) => string;
}

const rate = (octets: number | undefined): string =>
  octets === undefined ? '' : `${formatOctets(octets)}/s`;

const COLUMNS: readonly Column[] = [
  { key: 'address', title: 'Peer', text: ({ address }) => address },
  { key: 'means', title: 'Reached', text: ({ means }) => means },
  { key: 'path', title: 'Data path', text: ({ path }) => path },
  { key: 'receiveRate', title: 'In', text: ({ receiveRate }) => rate(receiveRate) },
  { key: 'sendRate', title: 'Out', text: ({ sendRate }) => rate(sendRate) },
  { key: 'received', title: 'Received', text: ({ received }) => formatOctets(received) },
  { key: 'sent', title: 'Sent', text: ({ sent }) => formatOctets(sent) },
  {
    key: 'heard',
    title: 'Heard',
    text: ({ heard }) => (heard === undefined ? 'never' : `${formatSpan(heard)} ago`),
  },
];

export class PeerTable {
  private readonly scroll: HTMLElement;
  private readonly said: HTMLElement;
  private readonly table = element('table', { role: 'table', 'aria-labelledby': 'peers-title' });
  private readonly heads = new Map<PeerColumn, HTMLElement>();
  private readonly above = element('tr', { class: 'space', role: 'presentation', 'aria-hidden': 'true' });
  private readonly below = element('tr', { class: 'space', role: 'presentation', 'aria-hidden': 'true' });
  private readonly body = element('tbody', { role: 'rowgroup' });
  private readonly lines: HTMLTableRowElement[] = [];
  private rates = new PeerRates();
  private rows: readonly PeerRow[] = [];
  private shown: readonly PeerRow[] = [];
  private order: PeerOrder = { column: 'received', descending: true };
  private part = '';
  private frame = 0;

  /** `scroll`: the element that scrolls; `said`: gets the order in words. */
  constructor(scroll: HTMLElement, said: HTMLElement) {
    this.scroll = scroll;
    this.said = said;
    const heads = COLUMNS.map((column) => this.head(column));
    this.body.append(this.above, this.below);
    this.table.append(
      element('thead', { role: 'rowgroup' }, element('tr', { role: 'row', 'aria-rowindex': '1' }, ...heads)),
      this.body,
    );
    scroll.append(this.table);
    scroll.addEventListener('scroll', () => this.drawSoon(), { passive: true });
    new ResizeObserver(() => this.drawSoon()).observe(scroll);
    this.markOrder();
  }

  /** How many rows are found, of how many. */
  get counts(): { readonly found: number; readonly all: number } {
    return { found: this.shown.length, all: this.rows.length };
  }

  async show(peers: readonly PeerStatus[], ms: number): Promise<void> {
    const { rates } = this;
    const rows = await rates.rows(peers, ms, nextTask);
    if (rates !== this.rates) return; // another daemon is shown now
    this.rows = rows;
    await nextTask();
    this.arrange();
  }

  /** Another daemon follows. */
  clear(): void {
    this.rates = new PeerRates();
    this.rows = [];
    this.arrange();
  }

  filter(part: string): void {
    this.part = part;
    this.scroll.scrollTop = 0;
    this.arrange();
  }

  private head({ key, title }: Column): HTMLElement {
    const button = element('button', { type: 'button' }, title);
    button.addEventListener('click', () => {
      this.order = nextOrder(this.order, key);
      this.markOrder();
      this.arrange();
    });
    const head = element('th', { role: 'columnheader', scope: 'col', class: key }, button);
    this.heads.set(key, head);
    return head;
  }

  private markOrder(): void {
    const { column, descending } = this.order;
    for (const [key, head] of this.heads) {
      if (key === column) head.setAttribute('aria-sort', descending ? 'descending' : 'ascending');
      else head.removeAttribute('aria-sort');
    }
    const { title } = COLUMNS.find(({ key }) => key === column)!;
    setText(this.said, `Sorted by ${title}, ${descending ? 'descending' : 'ascending'}`);
  }

  private arrange(): void {
    this.shown = arrange(this.rows, this.order, this.part);
    this.table.setAttribute('aria-rowcount', String(this.shown.length + 1));
    this.drawSoon();
  }

  private drawSoon(): void {
    if (this.frame !== 0) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      this.draw();
    });
  }

  private draw(): void {
    const { scroll, shown } = this;
    const rowHeight = Number.parseInt(getComputedStyle(scroll).getPropertyValue('--row-height'), 10);
    const { from, to } = visibleRows({
      scrolled: scroll.scrollTop,
      height: scroll.clientHeight,
      rowHeight,
      count: shown.length,
    });
    this.above.style.height = `${from * rowHeight}px`;
    this.below.style.height = `${(shown.length - to) * rowHeight}px`;
    while (this.lines.length < to - from) this.addLine();
    for (const [i, line] of this.lines.entries()) {
      line.hidden = i >= to - from;
      if (!line.hidden) fill(line, shown[from + i]!, from + i);
    }
  }

  private addLine(): void {
    const cells = COLUMNS.map(({ key }, i) =>
      i === 0
        ? element('th', { role: 'rowheader', scope: 'row', class: key })
        : element('td', { role: 'cell', class: key }),
    );
    const line = element('tr', { role: 'row' }, ...cells);
    this.lines.push(line);
    this.body.insertBefore(line, this.below);
  }
}

function nextTask(): Promise<void> {
  return new Promise((resolve) => window.setTimeout(resolve));
}

function fill(line: HTMLTableRowElement, row: PeerRow, index: number): void {
  line.setAttribute('aria-rowindex', String(index + 2));
  for (const [i, { key, text }] of COLUMNS.entries()) {
    setText(line.cells[i]!, text(row));
    if (key === 'path') line.cells[i]!.title = row.path;
  }
}
