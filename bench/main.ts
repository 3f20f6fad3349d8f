/**
 * `npm run bench`: compares plain IPv4, miredo at both ends, and this program on the user path and on the kernel path, in turn, in labs of
 * network namespaces. Options: see USAGE.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { parseArgs } from 'node:util';
import { readFacts } from './machine/facts.ts';
import { Disturbed, Watch } from './machine/watch.ts';
import { readReport, writePage } from './result/page.ts';
import { Results } from './result/results.ts';
import { asText } from './result/tables.ts';
import { ROWS } from './rows.ts';
import type { RowName } from './rows.ts';
import { LINKS } from './seats.ts';
import type { LinkKind } from './seats.ts';

const USAGE = `bench: --only ROW,ROW of ${Object.keys(ROWS).join(', ')}
  --links KIND,KIND of ${LINKS.join(', ')} (for tcp; the other rows are measured on nic)
  --alternations N (7 at least, unless --quick)  --seconds N  --quick
  --beside-other-work (does not stop; its figures are not worth quoting)
  --json FILE  --page (writes docs/performance.* and README.md, of all rows of a quiet machine)  --redraw (the same of docs/performance.json)
`;
const LEAST_ALTERNATIONS = 7;

const values = options();
if (values.redraw) {
  writePage(readReport());
  process.exit(0);
}
const names = (values.only?.split(',') ?? Object.keys(ROWS)) as RowName[];
const links = (values.links?.split(',') ?? LINKS) as readonly LinkKind[];
const alternations = Number(values.alternations ?? (values.quick ? 2 : LEAST_ALTERNATIONS));
const seconds = Number(values.seconds ?? 1);
const isKnown = names.every((name) => name in ROWS) && links.every((kind) => LINKS.includes(kind));
const isEnough = alternations >= (values.quick ? 1 : LEAST_ALTERNATIONS) && seconds >= 1;
// The page is of one build and one quiet run.
const isWhole = names.length === Object.keys(ROWS).length && links.length === LINKS.length;
const isFitForPage = isWhole && !values.quick && !values['beside-other-work'];
if (!isKnown || !isEnough || (values.page && !isFitForPage)) refuse();

const begun = performance.now();
let row: string;
const say = (text: string): void => {
  const minutes = ((performance.now() - begun) / 60_000).toFixed(1);
  process.stderr.write(`${minutes} min, ${row}: ${text}\n`);
};
const watch = new Watch(values['beside-other-work'], say);
const results = Results.of(readFacts(), { alternations, seconds, quick: values.quick });
const status = await measure();
results.report.otherWork = watch.most;
process.stdout.write(asText(results));
if (values.json !== undefined) write(values.json, results.json());
if (values.page && status === 0) writePage(results);
process.exit(status);

/** Returns the exit status. What was measured is printed in any case. Other work ends the bench; a row that fails ends only itself. */
async function measure(): Promise<number> {
  let failed = 0;
  for (row of names) {
    try {
      await ROWS[row as RowName]({ alternations, seconds, links, quick: values.quick, say, watch, results });
    } catch (error) {
      if (error instanceof Disturbed) {
        process.stderr.write(`bench: stopped in ${row}: ${error.message}; end it, and start again\n`);
        return 1;
      }
      process.stderr.write(`bench: ${row} failed: ${error instanceof Error ? error.stack : String(error)}\n`);
      failed = 1;
    }
  }
  return failed;
}

function options() {
  try {
    return parseArgs({
      options: {
        alternations: { type: 'string' },
        seconds: { type: 'string' },
        only: { type: 'string' },
        links: { type: 'string' },
        quick: { type: 'boolean', default: false },
        'beside-other-work': { type: 'boolean', default: false },
        json: { type: 'string' },
        page: { type: 'boolean', default: false },
        redraw: { type: 'boolean', default: false },
      },
    }).values;
  } catch {
    return refuse();
  }
}

function refuse(): never {
  process.stderr.write(USAGE);
  process.exit(2);
}

function write(file: string, text: string): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}
