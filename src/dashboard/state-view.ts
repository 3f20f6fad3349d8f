import { byId, element } from './dom.ts';
import type { Fact } from './facts.ts';
import { MEANINGS } from './verdict.ts';
import type { Verdict } from './verdict.ts';

const SIGNS: Readonly<Record<Verdict['mark'], string>> = { good: '✓', bad: '✕', waiting: '…', resting: '…' };

/** The verdict and the facts below it. */
export class StateView {
  private readonly verdict = byId('verdict');
  private readonly facts = byId('facts');
  private drawn = '';
  private drawnFacts = '';

  /** A screen reader reads each change, so the span of time in it is not part of what is compared. */
  show(verdict: Verdict): void {
    const { mark, headline, detail, reason, advice } = verdict;
    const key = JSON.stringify([mark, headline, reason, advice]);
    if (key === this.drawn) {
      this.verdict.querySelector('.detail')!.textContent = detail;
      return;
    }
    this.drawn = key;
    this.verdict.className = `verdict ${mark}`;
    this.verdict.replaceChildren(
      element('span', { class: 'sign', 'aria-hidden': 'true' }, SIGNS[mark]),
      element(
        'div',
        {},
        element(
          'p',
          { class: 'headline' },
          element('span', { class: 'only-read' }, MEANINGS[mark]),
          headline,
        ),
        element('p', { class: 'detail', 'aria-live': 'off' }, detail),
        ...(reason === undefined
          ? []
          : [element('p', { class: 'reason' }, element('b', {}, 'Why: '), reason)]),
        ...(advice === undefined
          ? []
          : [element('p', { class: 'advice' }, element('b', {}, 'What to do: '), advice)]),
      ),
    );
  }

  showFacts(facts: readonly Fact[]): void {
    const key = JSON.stringify(facts);
    if (key === this.drawnFacts) return;
    this.drawnFacts = key;
    this.facts.replaceChildren(
      ...facts.map(([name, value]) => element('div', {}, element('dt', {}, name), element('dd', {}, value))),
    );
  }
}
