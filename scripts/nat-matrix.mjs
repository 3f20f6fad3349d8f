/**
 * `npm run nat-matrix`: simulates two clients behind every pair of NATs, with and without loss, and writes the outcomes to
 * docs/nat-matrix.md. Every run has its seed, so the result is always the same.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from './build.mjs';
import { ensurePackages } from './ensure.mjs';
import { root } from './run.mjs';

ensurePackages();
await build();
const { NAT_KINDS, tryNeighbours, tryPair } = await import('../dist/sim/index.js');

const DEPENDENCES = ['endpoint-independent', 'address-dependent', 'address-and-port-dependent'];
const PORTS = ['preserving', 'sequential', 'random'];
const LOSSES = [0, 0.05, 0.2];
/** Runs of each pair, for each loss. */
const RUNS = 3;
/** A lost bubble costs two seconds, and a contact tries four times. */
const PATIENCE_MS = 30_000;
/** The order in which means are listed. */
const MEANS = ['local', 'direct', 'nonce', 'random port', 'echo test', 'guess', undefined];
const WAYS = { local: 'local', direct: 'plain', guess: 'guess' };

const kinds = DEPENDENCES.flatMap((mapping) =>
  DEPENDENCES.flatMap((filtering) => PORTS.map((ports) => ({ mapping, filtering, ports }))),
);
const matrix = kinds.map((a, i) => kinds.map((b, j) => tryKinds(a, b, (i * kinds.length + j) * 1_000)));
const groups = group();
writeFileSync(join(root, 'docs', 'nat-matrix.md'), page());

/** All outcomes by loss, over every hairpinning. Fails if hairpinning makes a difference between two NATs. */
function tryKinds(a, b, seed) {
  return LOSSES.map((loss) =>
    Array.from({ length: RUNS }, (_, run) => {
      const options = { seed: seed + run, loss, patienceMs: PATIENCE_MS };
      const outcomes = [false, true].flatMap((mine) =>
        [false, true].map((theirs) => tryPair(natOf(a, mine), natOf(b, theirs), options)),
      );
      if (outcomes.some((one) => JSON.stringify(one) !== JSON.stringify(outcomes[0])))
        throw new Error(`hairpinning matters between ${JSON.stringify(a)} and ${JSON.stringify(b)}`);
      return { ...outcomes[0], means: meansOf(outcomes[0], a, b) };
    }),
  );
}

function natOf(kind, hairpinning) {
  const portRange = kind.ports === 'sequential' ? [40_000, 65_535] : [1_024, 65_535];
  return { ...NAT_KINDS.portRestricted, ...kind, hairpinning, portRange };
}

/** A random port is either known in advance, or predicted by an Echo Test. */
function meansOf({ means }, ...sides) {
  if (means !== 'random-port') return means;
  const tested = sides.some(({ mapping, ports }) => mapping !== DEPENDENCES[0] && ports !== 'preserving');
  return tested ? 'echo test' : 'random port';
}

function wayOf(means) {
  return means === undefined ? 'none' : (WAYS[means] ?? 'RFC 6081');
}

/** Kinds that connect with all others in the same way, whichever side begins. */
function group() {
  const found = new Map();
  const way = (i, j) => wayOf(commonest(matrix[i][j][0].map(({ means }) => means)));
  for (const i of kinds.keys()) {
    const signature = [...kinds.keys()].flatMap((j) => [way(i, j), way(j, i)]).join();
    found.set(signature, [...(found.get(signature) ?? []), i]);
  }
  return [...found.values()].map((members, i) => ({ name: String.fromCodePoint(65 + i), members }));
}

function commonest(values) {
  const count = (value) => values.filter((one) => one === value).length;
  return values.toSorted((a, b) => count(b) - count(a))[0];
}

function page() {
  return `# Which clients connect through which NATs

Written by \`npm run nat-matrix\`, which simulates all of this: ${kinds.length * 2} kinds of NAT (every combination of mapping, filtering and ports, with
and without hairpinning) on both sides, ${(kinds.length * 2) ** 2} ordered pairs, each ${RUNS} times with a loss of ${LOSSES.map(percent).join(', ')}; ${(kinds.length * 2) ** 2 * RUNS * LOSSES.length} runs in all.
100 ms round trip between any two hosts. Between two NATs hairpinning never makes a difference: it is left out below. The results of
real NATs of the kernel are in \`test/kernel/nat-pairs.test.ts\`.

## Groups

Kinds in one group connect with all others by the same means, whichever side begins.

| | mapping | filtering | ports |
|---|---|---|---|
${groups.flatMap(({ name, members }) => terms(members).map((term) => row(name, ...term))).join('\n')}

*Mapping* and *filtering* as in RFC 4787: endpoint-independent, address-dependent, or dependent on address and port. *Ports*: the port of a new
mapping; the same number as the internal port if it is free, the next number, or a random one.

## Nothing is lost

Rows: the side that sends the first packet. Cells: means (the less plain of the two directions), median time to the first answer, bubbles that
both sides send before the answer in the other direction (median).

- **plain**: RFC 4380 alone.
- **nonce**, **random port**, **echo test**: RFC 6081, sections 5.2, 5.4, 5.5.
- **guess**: ports are guessed (adr/0016), with at most 2,000 packets an attempt.
- **-**: they do not connect.

${table(0, ({ outcomes }) => {
  const connected = outcomes.filter(({ means }) => means !== undefined);
  if (connected.length * 2 < outcomes.length) return '-';
  return `${namesOf(connected)} ${seconds(at(connected, 0.5, 'firstReplyMs'))}, ${at(connected, 0.5, 'sent')}`;
})}

The slowest first answers: ${slowest()}. Guesses of both sides, at most: ${most('guesses')}.

${LOSSES.map((loss, i) => (loss === 0 ? '' : lossy(loss, i))).join('')}
## Two clients behind one NAT

${neighbours()}
## Pairs that cannot connect, or only late, and why

- **Random ports on one side, and a mapping that depends on address and port on the other**: neither client knows the other's port,
  and each packet to another port of the peer leaves by another port, too. Both would have to guess right at once: tens of thousands of packets.
  They connect if the filters are wide enough: one side's NAT lets in packets from any port of the right address, or from any address, and the
  other side's lets the answer in.
- **Random ports on one side, and a mapping that depends on the address alone on the other**, behind narrow filters: guesses would succeed,
  since that mapping is stable towards the peer. But a client cannot distinguish this NAT from one whose mapping also depends on the port: servers
  answer from one port only. In most cases 2,000 packets would be wasted.
- A random NAT that by chance gives two successive ports within 64 of each other (one start in 1,000) is taken for a counting one, until the next start.
- Two clients behind one carrier's NAT that does not hairpin, each behind an inner NAT of its own: no packet can go from one to the other.
- Through a symmetric NAT that lets in every packet a client can hear a peer that does not hear the client. So the client asks the peer, and tries
  other ways after half a second without an answer (D-18 of \`docs/departures.md\`).
- With loss, RFC 4380 section 5.2.6 ends an attempt after four bubbles, and allows no fifth within 300 s. Behind symmetric NATs an attempt
  takes more packets, and none of them may be lost: the more exchanges a pair needs, the more often it fails.
`;
}

function lossy(loss, i) {
  return `## ${percent(loss)} are lost

The loss applies to any packet between any two hosts. Cells: the share of pairs that connect within ${PATIENCE_MS / 1_000} s, median time to the first answer, and the time within
which nine of ten of these pairs connect.

${table(i, ({ outcomes }) => {
  const connected = outcomes.filter(({ means }) => means !== undefined);
  if (connected.length * 10 < outcomes.length) return '-';
  const [half, most] = [0.5, 0.9].map((share) => seconds(at(connected, share, 'firstReplyMs')));
  return `${percent(connected.length / outcomes.length)} ${half}, ${most}`;
})}

`;
}

function neighbours() {
  const rows = [];
  for (const localDiscovery of [true, false]) {
    for (const hairpinning of [true, false]) {
      const cells = LOSSES.map((loss) => {
        const outcomes = kinds.flatMap((kind, i) =>
          Array.from({ length: RUNS }, (_, run) =>
            tryNeighbours(natOf(kind, hairpinning), {
              seed: i * 1_000 + run,
              loss,
              localDiscovery,
              patienceMs: PATIENCE_MS,
            }),
          ),
        );
        const connected = outcomes.filter(({ means }) => means !== undefined);
        const half = seconds(at(connected, 0.5, 'firstReplyMs'));
        return `${percent(connected.length / outcomes.length)} ${half}, ${namesOf(connected)}`;
      });
      rows.push(row(localDiscovery ? 'on' : 'off', hairpinning ? 'yes' : 'no', ...cells));
    }
  }
  return `Of all ${kinds.length} kinds: the share in which the two connect, median time, and means. Without local discovery (\`--no-local-discovery\`) they connect by alternate
addresses (RFC 6081 section 5.6).

| discovery | NAT hairpins | ${LOSSES.map((loss) => `${percent(loss)} lost`).join(' | ')} |
|---|---|${LOSSES.map(() => '---|').join('')}
${rows.join('\n')}

`;
}

function table(loss, cell) {
  const head = row('', ...groups.map(({ name }) => `**${name}**`));
  const body = groups.map((from) =>
    row(
      `**${from.name}**`,
      ...groups.map((to) =>
        cell({ outcomes: from.members.flatMap((i) => to.members.flatMap((j) => matrix[i][j][loss])) }),
      ),
    ),
  );
  return [head, `|${'---|'.repeat(groups.length + 1)}`, ...body].join('\n');
}

function slowest() {
  const slow = new Map();
  for (const { means, firstReplyMs } of matrix.flat().flatMap(([lossless]) => lossless)) {
    if (means !== undefined) slow.set(wayOf(means), Math.max(slow.get(wayOf(means)) ?? 0, firstReplyMs));
  }
  return [...slow].map(([way, time]) => `${way} ${seconds(time)}`).join(', ');
}

function most(name) {
  return Math.max(...matrix.flat().flatMap(([lossless]) => lossless.map((one) => one[name])));
}

/** Describes members as few products of axes: [mapping, filtering, ports] each. */
function terms(members) {
  const short = (value) =>
    value
      .replace('address-and-port-dependent', 'address and port')
      .replace('-dependent', '')
      .replace('endpoint-in', 'in');
  let all = members.map((i) =>
    [kinds[i].mapping, kinds[i].filtering, kinds[i].ports].map((one) => [short(one)]),
  );
  for (const axis of [2, 1, 0]) {
    const merged = new Map();
    for (const term of all) {
      const others = JSON.stringify(term.filter((_, i) => i !== axis));
      const before = merged.get(others);
      if (before === undefined) merged.set(others, term);
      else before[axis] = [...before[axis], ...term[axis]];
    }
    all = [...merged.values()];
  }
  return all.map((term) => term.map((values) => values.join(', ')));
}

function namesOf(outcomes) {
  const present = MEANS.filter((means) => outcomes.some((one) => one.means === means));
  // An outcome seen once in a hundred runs is left out as an accident.
  const usual = present.filter(
    (means) => outcomes.filter((one) => one.means === means).length * 50 >= outcomes.length,
  );
  return usual.map((means) => (means === 'direct' ? 'plain' : means)).join('/');
}

function at(outcomes, share, name) {
  const sorted = outcomes.map((one) => one[name]).toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
}

function seconds(ms) {
  return `${(ms / 1_000).toFixed(1)} s`;
}

function percent(share) {
  return `${Math.round(share * 100)} %`;
}

function row(...cells) {
  return `| ${cells.join(' | ')} |`;
}
