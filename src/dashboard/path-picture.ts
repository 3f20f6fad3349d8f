import { element, svg } from './dom.ts';
import { layOut, wrapped } from './path-layout.ts';
import type { Box } from './path-layout.ts';
import type { Condition, PathLink, PathModel, PathNode } from './path.ts';

const MARKS: Readonly<Record<Condition, string>> = {
  good: '✓',
  broken: '✕',
  waiting: '…',
  unused: '–',
  unknown: '?',
};
const MEANINGS: Readonly<Record<Condition, string>> = {
  good: 'works',
  broken: 'broken',
  waiting: 'waits',
  unused: 'not in use',
  unknown: 'not known whether it works',
};
const LINE_HEIGHT = 17;

/** Draws the path into its container, again when the width changes. */
export class PathPicture {
  private readonly container: HTMLElement;
  private path: PathModel | undefined;
  private drawn = '';

  constructor(container: HTMLElement) {
    this.container = container;
    new ResizeObserver(() => this.draw()).observe(container);
  }

  show(path: PathModel): void {
    this.path = path;
    this.draw();
  }

  private draw(): void {
    const { container, path } = this;
    const width = Math.floor(container.clientWidth);
    if (path === undefined || width === 0) return;
    const key = `${width} ${JSON.stringify(path)}`;
    if (key === this.drawn) return;
    this.drawn = key;
    container.replaceChildren(drawing(path, width), legendOf(path));
  }
}

function drawing(path: PathModel, width: number): SVGElement {
  const { height, boxes, lines, letters } = layOut(path, width);
  const links = path.links.map((link, i) => drawLink(link, lines[i]!));
  const nodes = path.nodes.map((node) => drawNode(node, boxes.get(node.kind)!, letters));
  return svg(
    'svg',
    {
      class: 'picture',
      role: 'img',
      'aria-label': path.description,
      width,
      height,
      viewBox: `0 0 ${width} ${height}`,
    },
    ...links.filter((_, i) => path.links[i]!.condition !== 'broken'),
    ...links.filter((_, i) => path.links[i]!.condition === 'broken'),
    ...nodes,
    ...path.links.flatMap((link, i) => (link.condition === 'broken' ? cutAt(lines[i]!) : [])),
  );
}

/** The meaning of the marks in it, unless all parts work. */
function legendOf({ nodes }: PathModel): HTMLElement {
  const conditions = [...new Set(nodes.map(({ condition }) => condition))];
  const isPlain = conditions.length === 1 && conditions[0] === 'good';
  const items = isPlain
    ? []
    : conditions.map((condition) => element('li', {}, `${MARKS[condition]} ${MEANINGS[condition]}`));
  return element('ul', { class: 'marks', 'aria-hidden': 'true' }, ...items);
}

function drawNode({ title, lines, note, condition, kind }: PathNode, box: Box, letters: number): SVGElement {
  const { x, y, width, height } = box;
  const most = note === undefined ? 3 : 2;
  const words = lines.flatMap((line) => wrapped(line, letters, most)).slice(0, most);
  const below = note === undefined ? words : [...words, note];
  const top = y + height / 2 - (below.length * LINE_HEIGHT) / 2;
  return svg(
    'g',
    { class: `node ${condition}`, 'data-kind': kind },
    svg('rect', { x: x + 1, y: y + 1, width: width - 2, height: height - 2, rx: 8 }),
    svg('text', { class: 'title', x: x + 12, y: top + 5 }, title),
    ...below.map((line, i) =>
      svg(
        'text',
        { class: i < words.length ? 'line' : 'note', x: x + 12, y: top + 5 + (i + 1) * LINE_HEIGHT },
        line,
      ),
    ),
    svg('text', { class: 'mark', x: x + width - 14, y: y + 21, 'text-anchor': 'middle' }, MARKS[condition]),
  );
}

type Corners = readonly (readonly [x: number, y: number])[];

function drawLink({ condition, from, to }: PathLink, corners: Corners): SVGElement {
  const points = corners.map((corner) => corner.join(',')).join(' ');
  return svg('polyline', { class: `link ${condition}`, 'data-link': `${from}-${to}`, points, fill: 'none' });
}

/** The cross on a broken link. */
function cutAt(corners: Corners): SVGElement[] {
  const [[x1, y1], [x2, y2]] = [corners.at(-2)!, corners.at(-1)!];
  const [x, y] = [(x1 + x2) / 2, (y1 + y2) / 2];
  return [
    svg('circle', { class: 'cut', cx: x, cy: y, r: 10 }),
    svg('text', { class: 'cut-mark', x, y: y + 5, 'text-anchor': 'middle' }, MARKS.broken),
  ];
}
