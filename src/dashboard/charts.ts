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
    // All have a place before the first is drawn: it determines their width.
    this.place.append(
      ...plans.filter(({ key }) => !this.charts.has(key)).map(({ key }) => this.make(key).figure),
    );
    for (const [i, { key }] of plans.entries()) {
      const { figure } = this.charts.get(key)!;
      if (this.place.children[i] !== figure) this.place.insertBefore(figure, this.place.children[i] ?? null);
    }
    for (const plan of plans) this.charts.get(plan.key)!.show(plan, history.all, colours, now);
  }

  private make(key: string): Chart {
    const chart = new Chart();
    this.charts.set(key, chart);
    return chart;
  }
}
