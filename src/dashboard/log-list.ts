import type { EventStatus } from '../control/status.ts';
import { element, setText } from './dom.ts';

/** As many as a daemon keeps. */
const MOST = 256;

/** The events of the daemon, the newest first. */
export class LogList {
  private readonly list: HTMLElement;
  private readonly count: HTMLElement;
  private lines: EventStatus[] = [];
  private warningsOnly = false;

  constructor(list: HTMLElement, count: HTMLElement) {
    this.list = list;
    this.count = count;
  }

  clear(): void {
    this.lines = [];
    this.draw();
  }

  add(line: EventStatus): void {
    this.lines.push(line);
    if (this.lines.length > MOST) this.lines.shift();
    if (this.isShown(line)) this.list.prepend(itemOf(line));
    while (this.list.childElementCount > MOST) this.list.lastElementChild!.remove();
    this.countLines();
  }

  showWarningsOnly(on: boolean): void {
    this.warningsOnly = on;
    this.draw();
  }

  private draw(): void {
    const shown = this.lines.filter((line) => this.isShown(line));
    this.list.replaceChildren(...shown.map(itemOf).reverse());
    this.countLines();
  }

  private countLines(): void {
    const shown = this.list.childElementCount;
    const words = this.warningsOnly ? 'No warnings' : 'No events yet';
    setText(this.count, shown === 0 ? words : `${shown}, the newest first`);
  }

  private isShown({ level }: EventStatus): boolean {
    return !this.warningsOnly || level === 'warn' || level === 'error';
  }
}

const LEVELS: Readonly<Record<string, string>> = { error: 'Error', warn: 'Warning' };

function itemOf({ time, level, message, event }: EventStatus): HTMLLIElement {
  const known = LEVELS[level];
  return element(
    'li',
    { class: known === undefined ? 'info' : level, 'data-event': event },
    element('time', { datetime: time, title: time }, clockTime(time)),
    known === undefined ? undefined : element('strong', {}, known),
    element('span', {}, message),
  );
}

function clockTime(time: string): string {
  const date = new Date(time);
  return Number.isNaN(date.getTime()) ? '' : date.toLocaleTimeString([], { hour12: false });
}
