import type { RoleStatus } from '../control/status.ts';
import { Chart } from './chart.ts';
import type { History } from './history.ts';
import { plansFor } from './series.ts';

/** The charts of the daemon that is shown. */
export class Charts {
  private readonly place: HTMLElement;
  private readonly charts = new Map<string, Chart>();

  constructor(place: HTMLElement) {
    this.place = place;
  }

  show(role: RoleStatus['role'], history: History, now: number): void {
    const plans = plansFor(role, history.all);
    const colours = getComputedStyle(document.documentElement);
    for (const [key, chart] of this.charts)
      if (!plans.some((plan) => plan.key === key)) {
        chart.figure.remove();
        this.charts.delete(key);
      }
    for (const plan of plans) this.chartOf(plan.key).show(plan, history.all, colours, now);
  }

  private chartOf(key: string): Chart {
    const known = this.charts.get(key);
    if (known !== undefined) return known;
    const chart = new Chart();
    this.charts.set(key, chart);
    this.place.append(chart.figure);
    return chart;
  }
}
