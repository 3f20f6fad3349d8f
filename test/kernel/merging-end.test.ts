/** The end of the merging of an uplink's segments, in the process: no packet overtakes those in the pair, and nothing waits for them (adr/0036). */
import { expect, onTestFinished, test } from 'vitest';
import type { Merging, MergingChoice } from '../../src/io/kernel-path/merging.ts';
import { Uplinks } from '../../src/io/kernel-path/uplinks.ts';
import { execute } from '../../src/lab/index.ts';
import { UPLINK } from '../../src/linux/bpf/layout.ts';
import { check, libbpf } from '../../src/linux/bpf/libbpf.ts';
import { loadPeerProgram } from '../../src/linux/bpf/peer-program.ts';
import { Memory } from '../../src/linux/libc.ts';
import { enterNewNetwork } from '../../src/linux/netns.ts';
import { v4 } from '../support/client-rig.ts';

const [OWN, PEERS] = [v4('10.0.0.1'), [v4('10.0.0.2'), v4('10.0.0.3')]];
const WITH: MergingChoice = { pair: 77, reason: undefined };
const WITHOUT: MergingChoice = { pair: 0, reason: 'the interface does not merge packets' };

/** A pair in which packets are as the test says. */
class PlayedMerging {
  choice = WITH;
  pairIndex = WITH.pair;
  isEmpty = false;
  isBroken = false;
  waits = 0;
  readonly follow = (): MergingChoice => this.choice;
  readonly look = (): boolean => this.isBroken;
  readonly waitUntilEmpty = (): void => void this.waits++;
}

interface Rig {
  readonly merging: PlayedMerging;
  readonly uplinks: Uplinks;
  /** What the programs know of the pair, for each uplink: its index, and whether only packets behind others go there. */
  readonly known: () => { readonly pair: number; readonly ends: boolean }[];
}

/** Two uplinks, because there are two next hops. */
function start(): Rig {
  enterNewNetwork();
  for (const command of [
    'link add link0 type veth peer name link1',
    'address add 10.0.0.1/24 dev link0',
    'link set link0 up',
    'link set link1 up',
    'route add 203.0.113.5 via 10.0.0.2',
    'route add 203.0.113.6 via 10.0.0.3',
  ])
    execute('ip', command.split(' '));
  const program = loadPeerProgram({ peers: 16, served: 16, proofs: 16, reports: 1 << 16 });
  const merging = new PlayedMerging();
  const ipv4Subnets = () => [{ interface: 'link0', address: OWN, prefixLength: 24 }];
  const network = { ipv4Subnets } as never;
  const local = { address: 0, port: 3_545 };
  const uplinks = new Uplinks(program, network, local, 1, 'off', merging as unknown as Merging);
  onTestFinished(() => {
    uplinks.close();
    program.close();
  });
  const numbers = [v4('203.0.113.5'), v4('203.0.113.6')].map((peer) => uplinks.towards(peer)!);
  expect(new Set(numbers).size).toBe(PEERS.length);
  const known = (): ReturnType<Rig['known']> =>
    numbers.map((number) => {
      const [key, value] = [new Memory(4), new Memory(UPLINK.SIZE)];
      key.view.setUint32(0, number, true);
      check('lookup', libbpf().lookup(program.map('uplinks'), key.address, value.address));
      return {
        pair: value.view.getUint32(UPLINK.pair, true),
        ends: value.view.getUint32(UPLINK.pairEnds, true) === 1,
      };
    });
  return { merging, uplinks, known };
}

const both = (pair: number, ends: boolean): ReturnType<Rig['known']> => PEERS.map(() => ({ pair, ends }));

test('packets behind others go into the pair until it is empty at a look; the process does not wait for that', () => {
  const { merging, uplinks, known } = start();
  expect(known()).toEqual(both(77, false));
  merging.choice = WITHOUT;
  uplinks.follow();
  expect(known()).toEqual(both(77, true));
  expect(uplinks.states).toMatchObject([{ merging: false, withoutMerging: WITHOUT.reason }]);
  merging.isEmpty = true;
  uplinks.lookAtMerging();
  expect(known()).toEqual(both(0, false));
  expect(merging.waits).toBe(0);
});

test('packets that are in the pair at two looks are lost: none waits for them', () => {
  const { merging, uplinks, known } = start();
  merging.choice = WITHOUT;
  uplinks.follow();
  uplinks.lookAtMerging();
  expect(known()).toEqual(both(77, true));
  uplinks.lookAtMerging();
  expect(known()).toEqual(both(0, false));
});

test('if merging is wanted again before the pair is empty, segments are merged again, here in another pair', () => {
  const { merging, uplinks, known } = start();
  merging.choice = WITHOUT;
  uplinks.follow();
  merging.choice = { pair: 88, reason: undefined };
  uplinks.follow();
  expect(known()).toEqual(both(88, false));
  uplinks.lookAtMerging();
  expect(known()).toEqual(both(88, false));
});

test('a pair that breaks meanwhile gets no more packets', () => {
  const { merging, uplinks, known } = start();
  merging.choice = WITHOUT;
  uplinks.follow();
  [merging.isBroken, merging.pairIndex] = [true, 0];
  uplinks.lookAtMerging();
  expect(known()).toEqual(both(0, true));
});

test('before a successor takes over the process waits once, for all uplinks; if it has to go on itself, segments are merged again', () => {
  const { merging, uplinks, known } = start();
  uplinks.endMerging();
  expect([merging.waits, known()]).toEqual([1, both(0, false)]);
  uplinks.follow();
  expect(known()).toEqual(both(77, false));
  merging.choice = WITHOUT;
  uplinks.follow();
  uplinks.endMerging();
  expect([merging.waits, known()]).toEqual([2, both(0, false)]);
});
