/** The ways to many peers change: while they are moved, in turns of the event loop, no packet is sent to an old gateway, and a failure leaves no peer behind. */
import { beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { GATEWAY_BY_ROUTE, UPLINK } from '../../src/linux/bpf/layout.ts';
import { check, libbpf } from '../../src/linux/bpf/libbpf.ts';
import type { PeerMap } from '../../src/linux/bpf/peer-map.ts';
import type { PeerProgram } from '../../src/linux/bpf/peer-program.ts';
import { SystemCallError } from '../../src/linux/errors.ts';
import { E, Memory } from '../../src/linux/libc.ts';
import type { Uplinks } from '../../src/io/kernel-path/uplinks.ts';
import { carriedRelay, ip, offer } from '../support/carried-relay.ts';
import type { CarriedRelay } from '../support/carried-relay.ts';
import { eventually } from '../support/eventually.ts';

/** Fewer than those whose ways are followed one by one. */
const PEERS = 4_000;

interface Parts {
  readonly peers: PeerMap;
  readonly program: PeerProgram;
  readonly uplinks: Uplinks;
}

let relay: CarriedRelay;
let parts: Parts;

beforeAll(async () => {
  relay = await carriedRelay(PEERS);
  parts = relay.kernelPath as unknown as Parts;
  return () => relay.role.close();
}, 60_000);

let gateway = 1;
function changeGateway(): void {
  gateway++;
  ip('neigh', 'replace', `192.0.2.${gateway}`, 'lladdr', '02:00:00:00:00:01', 'dev', 'eth');
  ip('route', 'replace', 'default', 'via', `192.0.2.${gateway}`, 'dev', 'eth');
}

/** The next hop that the programs use for the first uplink. */
function nextHop(): number {
  const [key, value] = [new Memory(4), new Memory(UPLINK.SIZE)];
  check('lookup', libbpf().lookup(parts.program.map('uplinks'), key.address, value.address));
  return value.view.getUint32(UPLINK.gateway);
}

/** Calls back before each part of the move. */
function beforeEachPart(see: (part: number) => void): void {
  const places = parts.peers.places.bind(parts.peers);
  vi.spyOn(parts.peers, 'places').mockImplementation(function* (...args) {
    let part = 0;
    for (const _ of places(...args)) {
      yield;
      see(++part);
    }
  });
  onTestFinished(() => void vi.restoreAllMocks());
}

test('until all are moved, the kernel is asked for each next hop', async () => {
  const hops: number[] = [];
  beforeEachPart(() => hops.push(nextHop()));
  changeGateway();
  await eventually(() => expect(hops.length).toBeGreaterThan(1));
  await eventually(() => expect(nextHop()).not.toBe(GATEWAY_BY_ROUTE));
  expect(new Set(hops)).toEqual(new Set([GATEWAY_BY_ROUTE]));
  expect(relay.kernelPath.size).toBe(PEERS);
});

test('a shortage in a later part: all are taken out at once, and offered again later', async () => {
  let failures = 0;
  const reset = vi.spyOn(parts.uplinks, 'reset');
  beforeEachPart(() => {
    failures++;
    throw new SystemCallError('bpf_map_lookup_batch', E.ENOMEM);
  });
  changeGateway();
  await eventually(() => expect([failures, relay.kernelPath.size]).toEqual([1, 0]));
  await eventually(() => expect(reset).toHaveBeenCalledOnce());
  reset.mockClear();
  offer(relay.kernelPath, relay.addresses);
  changeGateway();
  await eventually(() => expect([failures, relay.kernelPath.size]).toEqual([2, 0]));
  expect(reset, 'not so soon after the first').not.toHaveBeenCalled();
});
