/** Places for the nodes and links of a path, in pixels of the picture's width. */
import type { NodeKind, PathModel } from './path.ts';

export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export interface Layout {
  readonly height: number;
  readonly boxes: ReadonlyMap<NodeKind, Box>;
  /** Corners of the line of each link, in the order of the model. */
  readonly lines: readonly (readonly (readonly [x: number, y: number])[])[];
  /** The letters of a line in a box. */
  readonly letters: number;
}

const NODE_HEIGHT = 84;
const NARROW = 620;
const LETTER = 7.3;

export function layOut(path: PathModel, width: number): Layout {
  return width < NARROW ? stacked(path, width) : inColumns(path, width);
}

/** Columns from left to right; the third has what branches off behind the NAT. */
function inColumns(path: PathModel, width: number): Layout {
  const columns = columnsOf(path);
  const gap = columns.length > 3 ? 44 : 72;
  const boxWidth = Math.min(240, Math.floor((width - gap * (columns.length - 1)) / columns.length));
  const rows = Math.max(...columns.map((column) => column.length));
  const height = rows * NODE_HEIGHT + (rows - 1) * 22;
  const left = Math.floor((width - columns.length * boxWidth - (columns.length - 1) * gap) / 2);
  const boxes = new Map<NodeKind, Box>();
  for (const [i, column] of columns.entries())
    for (const [row, kind] of column.entries()) {
      if (kind === undefined) continue;
      const y = column.length === 1 ? (height - NODE_HEIGHT) / 2 : row * (NODE_HEIGHT + 22);
      boxes.set(kind, { x: left + i * (boxWidth + gap), y, width: boxWidth, height: NODE_HEIGHT });
    }
  const lines = path.links.map(({ from, to }) => across(boxes.get(from)!, boxes.get(to)!));
  return { height, boxes, lines, letters: Math.floor((boxWidth - 20) / LETTER) };
}

function columnsOf({ nodes }: PathModel): (NodeKind | undefined)[][] {
  const kinds = nodes.map(({ kind }) => kind);
  if (!kinds.includes('nat')) return kinds.map((kind) => [kind]);
  return [['host'], ['nat'], ['server', 'relay', 'clients'], [undefined, 'internet', undefined]];
}

function across(from: Box, to: Box): [number, number][] {
  const [x1, y1] = [from.x + from.width, from.y + from.height / 2];
  const [x2, y2] = [to.x, to.y + to.height / 2];
  if (y1 === y2)
    return [
      [x1, y1],
      [x2, y2],
    ];
  const middle = (x1 + x2) / 2;
  return [
    [x1, y1],
    [middle, y1],
    [middle, y2],
    [x2, y2],
  ];
}

const INDENT = 22;
const STACK_GAP = 26;

/** One below the other; branches behind the NAT leave a line at the left. */
function stacked({ nodes, links }: PathModel, width: number): Layout {
  const hasNat = nodes.some(({ kind }) => kind === 'nat');
  const boxes = new Map<NodeKind, Box>();
  let y = 0;
  for (const { kind } of nodes) {
    const x = hasNat && !['host', 'nat'].includes(kind) ? INDENT : 0;
    boxes.set(kind, { x, y, width: width - x, height: NODE_HEIGHT });
    y += NODE_HEIGHT + STACK_GAP;
  }
  const lines = links.map(({ from, to }) => down(boxes.get(from)!, boxes.get(to)!));
  return { height: y - STACK_GAP, boxes, lines, letters: Math.floor((width - INDENT - 20) / LETTER) };
}

function down(from: Box, to: Box): [number, number][] {
  const bottom = from.y + from.height;
  if (to.x > from.x)
    return [
      [INDENT / 2, bottom],
      [INDENT / 2, to.y + to.height / 2],
      [to.x, to.y + to.height / 2],
    ];
  const x = from.x + from.width / 2;
  return [
    [x, bottom],
    [x, to.y],
  ];
}

/** A text in lines of so many letters, cut where it has a separator; what does not fit into them is left out. */
export function wrapped(text: string, letters: number, most: number): string[] {
  const lines: string[] = [];
  let rest = text;
  while (rest.length > letters && lines.length < most - 1) {
    const at = Math.max(...[' ', ':', '.', '-', '/'].map((mark) => rest.lastIndexOf(mark, letters - 1)));
    const cut = at > 0 ? at + 1 : letters;
    lines.push(rest.slice(0, cut).trimEnd());
    rest = rest.slice(cut);
  }
  lines.push(rest.length > letters ? `${rest.slice(0, letters - 1)}…` : rest);
  return lines;
}
