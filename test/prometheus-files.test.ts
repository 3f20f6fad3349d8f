/** The files of packaging/prometheus/ fit to the metrics. test/kernel/prometheus.test.ts tries them with Prometheus. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { FAMILIES } from '../src/daemon/http/families.ts';
import type { Family } from '../src/daemon/http/families.ts';
import { panelsOf } from './support/prometheus.ts';

const FOLDER = new URL('../packaging/prometheus/', import.meta.url);
const families: readonly Family[] = Object.values(FAMILIES);
const metricsIn = (text: string): string[] => text.match(/\b(?:teredo|process)_[a-z_]+\b/g) ?? [];
const unknownIn = (text: string): string[] =>
  metricsIn(text).filter((metric) => families.every(({ name }) => name !== metric));

test('each panel of the dashboard queries metrics that exist, with a title and a description', () => {
  const panels = panelsOf(readFileSync(new URL('grafana-dashboard.json', FOLDER), 'utf8'));
  expect(panels.length).toBeGreaterThan(10);
  for (const { title, description, queries } of panels) {
    expect(description.length, title).toBeGreaterThan(10);
    expect(queries.length, title).toBeGreaterThan(0);
    for (const query of queries) {
      expect(metricsIn(query).length, title).toBeGreaterThan(0);
      expect(unknownIn(query), title).toEqual([]);
    }
  }
});

test('each alert is about metrics that exist', () => {
  const rules = readFileSync(new URL('teredo-rules.yml', FOLDER), 'utf8');
  const queries = [...rules.matchAll(/^ +expr: (.*)$/gm)].map(([, query]) => query!);
  expect(queries).toHaveLength(6);
  for (const query of queries) expect(unknownIn(query.replace('up{job="teredo"}', '')), query).toEqual([]);
});
