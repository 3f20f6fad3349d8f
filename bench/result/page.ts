/** Writes the figures into docs/performance.json, and its tables into docs/performance.md and README.md. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../root.ts';
import { LINKS } from '../seats.ts';
import { withReadmeFigures } from './readme.ts';
import { Results } from './results.ts';
import type { Report } from './results.ts';
import { drawTcp } from './svg.ts';
import { asMarkdown, dropTable, short, tableOf } from './tables.ts';
import { asJudgement } from './targets.ts';

const [JSON_FILE, PAGE, PICTURE, README] = [
  'docs/performance.json',
  'docs/performance.md',
  'docs/performance.svg',
  'README.md',
].map((name) => join(ROOT, name)) as [string, string, string, string];

export function writePage(results: Results): void {
  writeFileSync(JSON_FILE, results.json());
  writeFileSync(PICTURE, drawTcp(results));
  rewrite(PAGE, (text) => withBlocks(text, blocksOf(results)));
  rewrite(README, (text) => withReadmeFigures(text, results));
}

export function readReport(): Results {
  return new Results(JSON.parse(readFileSync(JSON_FILE, 'utf8')) as Report);
}

/** The parts of the page that are made from figures, by name. */
export function blocksOf(results: Results): Readonly<Record<string, string>> {
  const { missed, met } = asJudgement(results);
  const of = (start: RegExp): string => asMarkdown(tableOf(results, (name) => start.test(name)));
  return {
    machine: machineText(results.report),
    missed: asMarkdown(missed),
    met: asMarkdown(met),
    ...Object.fromEntries(LINKS.map((kind) => [kind, of(new RegExp(`^${kind}: `))])),
    udp: of(/^UDP/),
    latency: of(/^(?:round trip|first reply)/),
    relay: of(/^relay(?!.*(?:new peer|bytes))/),
    peers: of(/^relay.*(?:new peer|bytes)/),
    server: of(/^server/),
    drops: asMarkdown(dropTable(results)),
  };
}

/** Puts each block between its marks, `<!-- bench NAME -->` and `<!-- end -->`. Throws if the text has no marks for one of them. */
export function withBlocks(text: string, blocks: Readonly<Record<string, string>>): string {
  return Object.entries(blocks).reduce((page, [name, block]) => {
    const place = new RegExp(`(<!-- bench ${name} -->\n).*?(<!-- end -->)`, 's');
    if (!place.test(page)) throw new Error(`the page has no place for "${name}"`);
    return page.replace(place, (_, open: string, close: string) => `${open}\n${block}\n\n${close}`);
  }, text);
}

function machineText({ facts, settings, otherWork }: Report): string {
  const { processors, processor, kernel, node, commit, date } = facts;
  const share = `Other work took at most ${short(otherWork * 100)} % of the machine.`;
  const runs = `${settings.alternations} alternations of ${settings.seconds} s`;
  return `${date}, commit ${commit}, Linux ${kernel}, Node ${node}, ${processors} processors (${processor}); ${runs}. ${share}`;
}

function rewrite(file: string, change: (text: string) => string): void {
  writeFileSync(file, change(readFileSync(file, 'utf8')));
}
