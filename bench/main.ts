/**
 * `npm run bench`: compares plain IPv4, miredo at both ends, and this program on the user path and on the kernel path, in turn, in the same
 * lab. The ratios are the result. Options: `--rounds N --seconds N --only PART,PART --links veth,wire --quick --json FILE --svg FILE`; the
 * parts are those of parts.ts.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { parseArgs } from 'node:util';
import { PARTS } from './parts.ts';
import type { Add, PartName } from './parts.ts';
import { Results } from './results.ts';
import { drawTcp } from './svg.ts';
import { LINKS } from './world.ts';
import type { LinkKind } from './world.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '4' },
    only: { type: 'string' },
    links: { type: 'string' },
    quick: { type: 'boolean', default: false },
    json: { type: 'string' },
    svg: { type: 'string' },
  },
});
const rounds = values.quick ? 1 : Number(values.rounds);
const seconds = values.quick ? 1 : Number(values.seconds);
const names = (values.only?.split(',') ?? Object.keys(PARTS)) as PartName[];
const links = (values.links?.split(',') ?? LINKS) as readonly LinkKind[];
const isKnown = names.every((name) => name in PARTS) && links.every((kind) => LINKS.includes(kind));
if (!isKnown || !(rounds >= 1) || !(seconds >= 1)) {
  const parts = Object.keys(PARTS).join(', ');
  process.stderr.write(
    `bench: --only takes ${parts}; --links takes ${LINKS.join(', ')}; rounds and seconds are from 1\n`,
  );
  process.exit(2);
}

const results = new Results();
for (let round = 1; round <= rounds; round++) {
  for (const name of names) {
    const say = (text: string): void => void process.stderr.write(`round ${round}, ${name}: ${text}\n`);
    const add: Add = (figure, variant, value) => results.add(figure, variant, value);
    await PARTS[name]({ seconds, links, quick: values.quick, say, add });
  }
}
process.stdout.write(results.table());
write(values.json, results.json());
write(values.svg, drawTcp(results));

function write(file: string | undefined, text: string): void {
  if (file === undefined) return;
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}
