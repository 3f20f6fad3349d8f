/** The clients and native prefixes of a relay with the most traffic, in a window of time. */
import type { HeavyUser, UsersStatus } from '../control/status.ts';
import { formatOctets } from '../control/words.ts';
import { byId, element, setText } from './dom.ts';
import { notesOf } from './user-notes.ts';

const WINDOWS = ['minute', 'hour', 'day'] as const;
export type UserWindow = (typeof WINDOWS)[number];

const WINDOWS_IN_WORDS: Readonly<Record<UserWindow, string>> = {
  minute: 'Last minute',
  hour: 'Last hour',
  day: 'Last day',
};

export class UsersView {
  window: UserWindow = 'minute';
  private readonly section = byId('users');
  private readonly tables = byId('users-tables');
  private readonly note = element('p', { class: 'note' });
  private readonly buttons = new Map<UserWindow, HTMLButtonElement>();

  /** `chosen`: another window is wanted. */
  constructor(chosen: () => void) {
    const group = element('div', { role: 'group', 'aria-label': 'Span of time' });
    for (const window of WINDOWS) {
      const button = element('button', { type: 'button' }, WINDOWS_IN_WORDS[window]);
      button.addEventListener('click', () => {
        this.choose(window);
        chosen();
      });
      this.buttons.set(window, button);
      group.append(button);
    }
    byId('users-tools').append(group, this.note);
    this.choose(this.window);
  }

  hide(): void {
    this.section.hidden = true;
  }

  show(status: UsersStatus): void {
    if (status.window !== this.window) return; // another one was chosen meanwhile
    this.section.hidden = false;
    setText(this.note, notesOf(status));
    this.tables.replaceChildren(
      tableOf('Clients', 'Client', status.peers, ({ address }) => address),
      tableOf('Native prefixes', 'Prefix', status.prefixes, ({ prefix }) => prefix),
    );
  }

  private choose(window: UserWindow): void {
    this.window = window;
    for (const [one, button] of this.buttons) button.setAttribute('aria-pressed', String(one === window));
  }
}

function tableOf<U extends HeavyUser>(
  caption: string,
  title: string,
  users: readonly U[],
  nameOf: (user: U) => string,
): HTMLElement {
  if (users.length === 0) return element('p', { class: 'none' }, `${caption}: none`);
  const heads = [title, 'Received', 'Sent', 'Share'].map((text, i) =>
    element('th', { scope: 'col', ...(i === 0 ? {} : { class: 'number' }) }, text),
  );
  const rows = users.map((user) =>
    element(
      'tr',
      {},
      element('th', { scope: 'row' }, nameOf(user)),
      ...[
        formatOctets(user.receivedBytes),
        formatOctets(user.sentBytes),
        `${Math.round(user.share * 100)} %`,
      ].map((text) => element('td', { class: 'number' }, text)),
    ),
  );
  const table = element(
    'table',
    {},
    element('caption', {}, caption),
    element('thead', {}, element('tr', {}, ...heads)),
    element('tbody', {}, ...rows),
  );
  return element('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': caption }, table);
}
