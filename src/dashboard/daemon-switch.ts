import type { DaemonReadiness } from '../control/status.ts';
import { element } from './dom.ts';

/** The choice between daemons; hidden where there is only one. */
export class DaemonSwitch {
  private readonly nav: HTMLElement;
  private readonly choose: (name: string) => void;
  private drawn = '';

  constructor(nav: HTMLElement, choose: (name: string) => void) {
    this.nav = nav;
    this.choose = choose;
  }

  show(daemons: readonly DaemonReadiness[], shown: string | undefined): void {
    const key = JSON.stringify([daemons, shown]);
    if (key === this.drawn) return;
    this.drawn = key;
    this.nav.hidden = daemons.length < 2;
    const focused = this.nav.contains(document.activeElement)
      ? document.activeElement?.getAttribute('data-name')
      : undefined;
    this.nav.replaceChildren(element('ul', {}, ...daemons.map((daemon) => this.item(daemon, shown))));
    for (const button of this.nav.querySelectorAll('button'))
      if (button.getAttribute('data-name') === focused) button.focus();
  }

  private item({ name, role, ready }: DaemonReadiness, shown: string | undefined): HTMLLIElement {
    const button = element(
      'button',
      {
        type: 'button',
        'data-name': name,
        class: ready ? 'good' : 'bad',
        ...(name === shown ? { 'aria-current': 'true' } : {}),
      },
      element('span', { class: 'sign', 'aria-hidden': 'true' }, ready ? '✓' : '✕'),
      name,
      element('span', { class: 'role' }, name === role ? '' : role),
      element('span', { class: 'only-read' }, ready ? ', works' : ', does not work'),
    );
    button.addEventListener('click', () => this.choose(name));
    return element('li', {}, button);
  }
}
