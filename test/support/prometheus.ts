import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { until } from '../../src/lab/index.ts';
import type { Namespace } from '../../src/lab/index.ts';

const FOLDER = fileURLToPath(new URL('../../packaging/prometheus/', import.meta.url));
const ADDRESS = '127.0.0.1:9090';

interface Panel {
  readonly title: string;
  readonly description: string;
  readonly queries: readonly string[];
}

/** The panels of a dashboard of Grafana. */
export function panelsOf(dashboard: string): Panel[] {
  const { panels } = JSON.parse(dashboard) as {
    panels: { title: string; description: string; targets: { expr: string }[] }[];
  };
  return panels.map(({ title, description, targets }) => ({
    title,
    description,
    queries: targets.map(({ expr }) => expr),
  }));
}

/** The queries of the dashboard with its variables filled in. */
export function dashboardQueries(): string[] {
  return panelsOf(readFileSync(join(FOLDER, 'grafana-dashboard.json'), 'utf8'))
    .flatMap(({ queries }) => queries)
    .map((query) => query.replaceAll(/\$(?:instance|daemon)/g, '.*').replaceAll('$__rate_interval', '10s'));
}

/** Prometheus on a host of a lab, with the files of packaging/prometheus/, but quick: all intervals are a second. */
export class Prometheus implements Disposable {
  private readonly folder = mkdtempSync(join(tmpdir(), 'teredo-prometheus-'));
  private readonly host: Namespace;

  constructor(host: Namespace, targets: readonly string[], tokenFile: string) {
    this.host = host;
    const list = targets.map((target) => `          - ${target}`).join('\n');
    this.write('prometheus.yml', (text) =>
      text
        .replaceAll(/(_interval): 15s/g, '$1: 1s')
        .replaceAll(/# (authorization:|  credentials_file:)/g, '$1')
        .replace('/etc/prometheus/teredo-token', tokenFile)
        .replace(/ +- 127\.0\.0\.1:9464/, list),
    );
    this.write('teredo-rules.yml', (text) => text.replaceAll(/for: \d+m/g, 'for: 0s'));
    const files = ['--config.file', join(this.folder, 'prometheus.yml'), '--storage.tsdb.path', this.folder];
    host.spawn('prometheus', [...files, '--web.listen-address', ADDRESS]);
  }

  /** The result of a query, as promtool prints it. */
  query(query: string): string {
    return this.host.execute('promtool', 'query', 'instant', `http://${ADDRESS}`, query);
  }

  /** Waits until a query has a result that matches. */
  async waitFor(query: string, pattern: RegExp, timeoutMs = 40_000): Promise<string> {
    return await until(`${query} at Prometheus`, () => this.matching(query, pattern), timeoutMs);
  }

  private matching(query: string, pattern: RegExp): string | undefined {
    try {
      const text = this.query(query);
      return pattern.test(text) ? text : undefined;
    } catch {
      return undefined; // it is starting
    }
  }

  private write(file: string, change: (text: string) => string): void {
    writeFileSync(join(this.folder, file), change(readFileSync(FOLDER + file, 'utf8')));
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
