/**
 * Random datagrams, valid and invalid, through the server's program and through its machine. For each datagram that the program decides,
 * the machine has to send the same octets, except the IPv4 identification. Each field of the outer and inner headers is changed, and
 * (mostly) the checksums are corrected afterwards. TEREDO_FUZZ_SEED repeats a run; TEREDO_TEST_ALL=1 sends five million datagrams.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ServerConfig } from '../../src/linux/bpf/server-program.ts';
import { VERDICT } from '../../src/linux/bpf/test-run.ts';
import { enterNewNetwork } from '../../src/linux/netns.ts';
import { SeededEntropy } from '../../src/sim/seeded-entropy.ts';
import { toHex } from '../../src/wire/index.ts';
import { PRIMARY, SECONDARY } from '../support/client-rig.ts';
import { ETHERNET, ServerProgramRig, WRAPPING } from '../support/server-program-rig.ts';
import type { ServerRigOptions } from '../support/server-program-rig.ts';
import { randomFrame, receivedBySocket, withoutIdentification } from '../support/server-frames.ts';

const RUNS = process.env['TEREDO_TEST_ALL'] === '1' ? 5_000_000 : 60_000;
const SEED = Number(process.env['TEREDO_FUZZ_SEED'] ?? Date.now() % 2 ** 32);
/** The least share of frames that the program has to decide; otherwise the test shows nothing. */
const DECIDED = 0.1;

/** The servers that take turns: their set-up, and additional configuration of their programs. */
const SERVERS: readonly (readonly [ServerRigOptions, Partial<ServerConfig>])[] = [
  [{}, {}],
  [{}, { uplink: 0 }],
  [{}, { uplink: 0, anySource: false }],
  [{ allowPrivate: true }, {}],
  [{ secondary: false }, {}],
  [{ mtu: false }, {}],
  [{ secondary: false, mtu: false }, { uplink: 0 }],
  [{}, { answers: false }],
];

let rigs: ServerProgramRig[];
beforeAll(() => {
  enterNewNetwork();
  rigs = SERVERS.map(([options, more]) => {
    const rig = new ServerProgramRig(options);
    rig.configure(more);
    return rig;
  });
});
afterAll(() => {
  for (const rig of rigs) rig.close();
});

test(
  `${RUNS} random datagrams, seed ${SEED}`,
  () => {
    const entropy = new SeededEntropy(SEED);
    const decided = rigs.map(() => 0);
    for (let i = 0; i < RUNS; i++) {
      const which = i % rigs.length;
      const frame = randomFrame(entropy);
      const difference = compare(rigs[which]!, frame, SERVERS[which]![1]);
      if (difference === 'decided') decided[which]!++;
      else if (difference !== undefined)
        expect.fail(`seed ${SEED}, datagram ${i}, server ${which}: ${difference}: ${toHex(frame)}`);
    }
    for (const count of decided) expect(count / (RUNS / rigs.length)).toBeGreaterThan(DECIDED / 3);
    expect(decided.reduce((sum, count) => sum + count) / RUNS).toBeGreaterThan(DECIDED);
  },
  300_000 + RUNS,
);

/** Undefined: left to the machine unchanged, or both have decided alike. Otherwise a description of the difference. */
function compare(
  rig: ServerProgramRig,
  frame: Uint8Array,
  { uplink = 1 }: Partial<ServerConfig>,
): string | undefined {
  const { verdict, frame: after } = rig.run(frame);
  if (verdict === VERDICT.goOn) return equal(after, frame) ? undefined : 'left, but changed';
  if (verdict !== VERDICT.carried) return `verdict ${verdict}`;
  const received = receivedBySocket(frame);
  if (received === undefined) return 'no socket would have received it';
  const { machine } = rig;
  machine.now += 60_000; // so that the machine reaches no limit
  machine.clear().receive(received.from, received.payload, received.to === SECONDARY.address ? 1 : 0);
  const [sent, ...others] = machine.sent;
  if (sent === undefined || others.length > 0 || machine.delivered.length > 0)
    return `the machine sends ${machine.sent.length} datagrams and ${machine.delivered.length} packets`;
  const length = WRAPPING + sent.bytes.length;
  if (after.length !== ETHERNET + length) return `${after.length} octets`;
  const wrapped = rig
    .wrap(sent.bytes, {
      from: sent.socket === 1 ? SECONDARY : PRIMARY,
      to: { address: sent.address, port: sent.port },
      toPort: sent.port,
    })
    .subarray(ETHERNET);
  const packet = withoutIdentification(after.subarray(ETHERNET));
  if (packet === undefined) return 'a wrong IPv4 header checksum';
  if (!equal(packet, withoutIdentification(wrapped)!)) return `not ${toHex(wrapped)}`;
  if (uplink !== 0) return 'decided';
  // Back to where it came from.
  const [to, from] = [after.subarray(0, 6), after.subarray(6, 12)];
  if (!equal(to, frame.subarray(6, 12)) || !equal(from, frame.subarray(0, 6)))
    return 'not back to the sender';
  return 'decided';
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
