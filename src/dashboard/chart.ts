import uPlot from 'uplot';
import { element, setText } from './dom.ts';
import { columnsOf, inWords, isEmpty } from './series.ts';
import type { ChartPlan } from './series.ts';
import type { Point } from './history.ts';

const HEIGHT = 170;
const COLOURS = ['--series-1', '--series-2', '--series-3', '--series-4', '--series-5'] as const;
const [SPAN_SECONDS, LEAST_SECONDS] = [600, 60];

/** One chart with its title, and the latest values or those under the pointer; drawn again when its series, width or colours change. */
export class Chart {
  readonly figure = element('figure', { class: 'chart' });
  private readonly caption = element('figcaption');
  private readonly place = element('div', { class: 'plot', role: 'img' });
  private readonly empty = element('p', { class: 'empty' });
  private readonly values = element('ul', { class: 'values', 'aria-hidden': 'true' });
  private plot: uPlot | undefined;
  private drawn = '';

  constructor() {
    this.figure.append(this.caption, this.values, this.place, this.empty);
  }

  show(plan: ChartPlan, points: readonly Point[], colours: CSSStyleDeclaration, now: number): void {
    const columns = columnsOf(plan, points);
    const nothing = isEmpty(columns);
    setText(this.caption, plan.title);
    setText(this.empty, nothing ? plan.empty : '');
    this.place.setAttribute('aria-label', inWords(plan, columns));
    const width = Math.floor(this.place.clientWidth);
    if (width === 0) return;
    const key = [
      width,
      nothing,
      ...COLOURS.map((name) => colours.getPropertyValue(name)),
      ...plan.series.map(({ key }) => key),
    ].join(' ');
    if (key !== this.drawn) this.make(plan, width, colours, nothing);
    this.drawn = key;
    this.plot!.batch(() => {
      this.plot!.setData(columns as uPlot.AlignedData, true);
      this.plot!.setScale('x', { min: spanStart(points, now), max: now });
    });
    this.showValues(plan, nothing);
  }

  private showValues(plan: ChartPlan, nothing: boolean): void {
    const { plot } = this;
    if (plot === undefined || nothing) {
      this.values.replaceChildren();
      return;
    }
    const pointed = plot.cursor.idx ?? undefined;
    const at = pointed ?? plot.data[0].length - 1;
    const time = pointed === undefined ? [] : [element('li', {}, clockTime(plot.data[0][at]!, true))];
    const items = plan.series.map(({ title }, i) => {
      const value = plot.data[i + 1]?.[at] ?? null;
      const swatch = element('i');
      swatch.style.background = `var(${COLOURS[i]!})`;
      return element(
        'li',
        {},
        swatch,
        `${title} `,
        element('b', {}, value === null ? '' : plan.format(value)),
      );
    });
    this.values.replaceChildren(...time, ...items);
  }

  private make(plan: ChartPlan, width: number, colours: CSSStyleDeclaration, nothing: boolean): void {
    this.plot?.destroy();
    const colour = (name: string): string => colours.getPropertyValue(name).trim();
    const axis = {
      stroke: colour('--quiet'),
      grid: { stroke: colour('--line'), width: 1 },
      ticks: { show: false },
    };
    this.plot = new uPlot(
      {
        width,
        height: HEIGHT,
        cursor: { drag: { x: false, y: false } },
        hooks: { setCursor: [() => this.showValues(plan, nothing)] },
        legend: { show: false },
        scales: { y: { range: (_, __, most) => [0, most > 0 ? most * 1.1 : 1] } },
        axes: [
          {
            ...axis,
            size: 30,
            space: 70,
            values: (_, times) => times.map((time) => clockTime(time, isShort(times))),
          },
          {
            ...axis,
            ...(plan.isWhole === true ? { incrs: WHOLE_STEPS } : {}),
            show: !nothing,
            size: 74,
            values: (_, values) => values.map((value) => plan.format(value)),
          },
        ],
        series: [
          {},
          ...plan.series.map((_, i) => ({ stroke: colour(COLOURS[i]!), width: 2, points: { show: false } })),
        ],
      },
      [[]] as unknown as uPlot.AlignedData,
      this.place,
    );
  }
}

/** The lines fill the width from the first minute on. */
function spanStart(points: readonly Point[], now: number): number {
  const first = points[0]?.time ?? now;
  return Math.max(now - SPAN_SECONDS, Math.min(first, now - LEAST_SECONDS));
}

const WHOLE_STEPS = [
  1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000,
];

/** Whether marks are so close that they need seconds. */
function isShort(times: readonly number[]): boolean {
  return times.length > 1 && times[1]! - times[0]! < 60;
}

function clockTime(seconds: number, exact = false): string {
  return new Date(seconds * 1_000).toLocaleTimeString([], exact ? WITH_SECONDS : WITHOUT_SECONDS);
}

const WITHOUT_SECONDS = { hour: '2-digit', minute: '2-digit', hour12: false } as const;
const WITH_SECONDS = { ...WITHOUT_SECONDS, second: '2-digit' } as const;
