import { daemonOf, fragmentFor, tokenOf } from './address-bar.ts';
import { byId } from './dom.ts';
import { Page } from './page.ts';

const page = new Page((daemon) => {
  window.location.hash = fragmentFor(window.location.hash, daemon);
});

function show(): void {
  const { hash } = window.location;
  page.follow(tokenOf(hash), daemonOf(hash));
}

window.addEventListener('hashchange', show);
byId('peers-filter').addEventListener('input', ({ target }) => page.find((target as HTMLInputElement).value));
byId('log-warnings').addEventListener('change', ({ target }) =>
  page.showWarningsOnly((target as HTMLInputElement).checked),
);
show();
