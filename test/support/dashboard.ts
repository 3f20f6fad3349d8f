import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import type { Browser, Page } from 'playwright-core';
import { Running } from '../../src/lab/index.ts';

const PROGRAM = fileURLToPath(new URL('../../bin/teredo', import.meta.url));

/** `teredo dashboard` without a browser. */
export interface Dashboard extends AsyncDisposable {
  readonly running: Running;
  readonly url: string;
}

/** `folder`: that of the control sockets; the usual one if there is none. `environment`: of a dashboard that opens a browser. */
export async function startDashboard(
  args: readonly string[],
  folder?: string,
  environment?: Readonly<Record<string, string>>,
): Promise<Dashboard> {
  const env = { ...(folder === undefined ? {} : { TEREDO_RUNTIME_DIR: folder }), ...environment };
  const open = environment === undefined ? ['--no-open'] : [];
  const running = new Running(process.execPath, [PROGRAM, 'dashboard', ...open, ...args], env);
  const [, url] = await running.waitFor(/^(http:\S+)$/m);
  return { running, url: url!, [Symbol.asyncDispose]: async () => void (await running.stop()) };
}

/** Debian's Chromium. The page's faults and requests are collected. */
export class Watcher implements AsyncDisposable {
  readonly page: Page;
  /** Violations of the policy, and exceptions. */
  readonly faults: string[] = [];
  readonly requested = new Set<string>();
  private readonly browser: Browser;

  private constructor(browser: Browser, page: Page) {
    this.browser = browser;
    this.page = page;
    page.on('console', (message) => {
      if (message.type() === 'error') this.faults.push(message.text());
    });
    page.on('pageerror', (error) => this.faults.push(error.message));
    page.on('request', (request) => this.requested.add(new URL(request.url()).origin));
  }

  static async open(url: string, size = { width: 1_200, height: 900 }): Promise<Watcher> {
    const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] });
    const watcher = new Watcher(browser, await browser.newPage({ viewport: size }));
    await watcher.page.goto(url);
    return watcher;
  }

  /** Waits for this headline. */
  async headline(words: RegExp, timeout = 30_000): Promise<void> {
    await this.page.locator('.headline', { hasText: words }).waitFor({ timeout });
  }

  /** The conditions of the parts of the path, by their kind. */
  async path(): Promise<Record<string, string>> {
    const nodes = await this.page.locator('.picture .node').all();
    const pairs = nodes.map(async (node) => {
      const [kind, look] = [await node.getAttribute('data-kind'), await node.getAttribute('class')];
      return [kind, look?.replace('node ', '')];
    });
    return Object.fromEntries(await Promise.all(pairs)) as Record<string, string>;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.browser.close();
  }
}
