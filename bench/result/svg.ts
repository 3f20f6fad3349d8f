import { LINKS, VARIANTS } from '../seats.ts';
import type { LinkKind, Variant } from '../seats.ts';
import { tcpRate } from './names.ts';
import type { Results } from './results.ts';
import { median } from './statistics.ts';

const WORDS: Readonly<Record<Variant, string>> = {
  plain: 'plain IPv4',
  miredo: 'miredo',
  user: 'teredo, user space',
  kernel: 'teredo, kernel',
};
const COLOURS: Readonly<Record<Variant, string>> = {
  plain: '#8a8f98',
  miredo: '#d9822b',
  user: '#4c90f0',
  kernel: '#238551',
};
const LINK_WORDS: Readonly<Record<LinkKind, string>> = {
  nic: 'links as of network cards',
  wire: 'links of wire size',
  veth: 'virtual links as they come',
};
const [LABEL, BAR, ROW, WIDTH] = [210, 400, 20, 720];

/** A chart of TCP by links, direction and variant, as bars; legible on light and dark ground. */
export function drawTcp(results: Results): string {
  const groups = LINKS.flatMap((links) =>
    (['up', 'down'] as const).map((direction) => ({
      title: `TCP ${direction}, ${LINK_WORDS[links]}`,
      bars: VARIANTS.map((variant) => ({
        variant,
        value: median(results.values(tcpRate(links, direction), variant)) || 0,
      })),
    })),
  );
  const parts: string[] = [];
  let y = 10;
  for (const { title, bars } of groups) {
    const most = Math.max(...bars.map(({ value }) => value), 1);
    parts.push(text(10, y + 14, title, 'bold'));
    y += ROW;
    for (const { variant, value } of bars) {
      const length = Math.max(1, (value / most) * BAR);
      parts.push(
        text(20, y + 14, WORDS[variant]),
        `<rect x="${LABEL}" y="${y + 3}" width="${length.toFixed(0)}" height="${ROW - 6}" rx="2" fill="${COLOURS[variant]}"/>`,
        text(LABEL + length + 8, y + 14, `${(value / 1_000).toFixed(2)} Gbit/s`),
      );
      y += ROW;
    }
    y += ROW / 2;
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y}" width="${WIDTH}" height="${y}" font-family="sans-serif" font-size="13" fill="#7d8590" role="img" aria-label="TCP throughput">
${parts.join('\n')}
</svg>
`;
}

function text(x: number, y: number, words: string, weight = 'normal'): string {
  return `<text x="${x.toFixed(0)}" y="${y.toFixed(0)}" font-weight="${weight}">${words}</text>`;
}
