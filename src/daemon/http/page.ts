import { readFileSync } from 'node:fs';
import { text } from './answer.ts';
import type { HttpAnswer } from './answer.ts';

/** The dashboard, with the headers that it is served with. */
interface Page {
  readonly html: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** `npm run build` makes it. The bundled program, the source and the single executable are all as deep in their trees. */
const FILE = new URL('../../../dist/dashboard.html', import.meta.url);
const POLICY = /<meta http-equiv="Content-Security-Policy" content="([^"]*)"/;

let page: Page | undefined;

/** Throws where the package has no page. */
export function pageAnswer(): HttpAnswer {
  const { html, headers } = dashboardPage();
  return text(html, headers);
}

function dashboardPage(): Page {
  page ??= readPage();
  return page;
}

function readPage(): Page {
  const html = readFileSync(FILE, 'utf8');
  const policy = POLICY.exec(html)?.[1] ?? "default-src 'none'";
  return {
    html,
    headers: {
      'Content-Type': 'text/html; charset=utf-8',
      // A page cannot forbid by itself that another one shows it in a frame.
      'Content-Security-Policy': `${policy}; frame-ancestors 'none'`,
      'Cross-Origin-Opener-Policy': 'same-origin',
      'Cross-Origin-Resource-Policy': 'same-origin',
      'X-Content-Type-Options': 'nosniff',
      'Referrer-Policy': 'no-referrer',
      'Cache-Control': 'no-store',
    },
  };
}
