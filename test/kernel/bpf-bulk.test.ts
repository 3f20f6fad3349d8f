/** At an uplink for which super-packets of a tunnel are cut, TCP data and large UDP packets are left to the process, and no other packets. */
import { beforeAll, expect, test } from 'vitest';
import { CONFIG, KERNEL_COUNTERS, ROLE, UPLINK, WAY } from '../../src/linux/bpf/layout.ts';
import { OwnPorts } from '../../src/linux/bpf/own-ports.ts';
import { PeerMap } from '../../src/linux/bpf/peer-map.ts';
import { loadPeerProgram } from '../../src/linux/bpf/peer-program.ts';
import type { Program } from '../../src/linux/bpf/program.ts';
import { writeRecord } from '../../src/linux/bpf/records.ts';
import { VERDICT, testRun } from '../../src/linux/bpf/test-run.ts';
import { enterNewNetwork } from '../../src/linux/netns.ts';
import { NEXT_HEADER } from '../../src/wire/index.ts';
import { data, v4, v6 } from '../support/client-rig.ts';

const OWN = v6('2001:0:cb00:7178::1');
const PEER = v6('2001:0:cb00:7178::2');
const ETHERNET = 14;
const [TCP, UDP] = [6, 17];
const [FIN, SYN, RST, ACK] = [1, 2, 4, 16];

let program: Program;
beforeAll(() => {
  enterNewNetwork();
  program = loadPeerProgram({ peers: 16, served: 16, proofs: 16, reports: 1 << 16 });
  writeRecord(program.map('config'), 0, CONFIG.SIZE, (view, bytes) => {
    bytes.set(OWN, CONFIG.own);
    view.setUint32(CONFIG.tunnel, 1, true);
    view.setUint32(CONFIG.tunnelHeader, ETHERNET, true);
    view.setUint8(CONFIG.role, ROLE.client);
    view.setUint8(CONFIG.ttl, 64);
    view.setUint32(CONFIG.stretch, 1, true);
    view.setUint32(CONFIG.renewal, 1 << 30, true);
  });
  new OwnPorts(program.map('ports')).add(3_545);
  const peers = new PeerMap(program.map('peers'));
  const now = Number(process.hrtime.bigint());
  expect(
    peers.put(PEER, 0, { address: v4('198.51.100.7'), port: 40_000, localPort: 3_545, uplink: 0 }, now, now),
  ).toBe(0);
  peers.setWay(PEER, WAY.bare, 0, 0);
  run(tcp(ACK, 0)); // the first packet may be a sample for the socket
  return () => program.close();
});

test.each([
  ['TCP data', tcp(ACK, 1), false],
  ['data behind options', tcp(ACK, 100, 60), false],
  ['an acknowledgement', tcp(ACK, 0), true],
  ['a segment with options', tcp(ACK, 0, 32), true],
  ['the first segment of a connection', tcp(SYN, 0, 40), true],
  ['the last', tcp(FIN | ACK, 0), false],
  ['a reset', tcp(RST, 0), false],
  ['a small UDP packet', packet(UDP, 256), true],
  ['a large UDP packet', packet(UDP, 257), false],
  ['ICMPv6', packet(NEXT_HEADER.ICMPV6, 500), true],
])('%s', (_, bytes, carried) => {
  expect(carriedWhere({ cuts: 0 }, bytes)).toBe(true);
  const before = program.readCounters(KERNEL_COUNTERS)['outBulk']!;
  expect(carriedWhere({ cuts: 1 }, bytes)).toBe(carried);
  expect(program.readCounters(KERNEL_COUNTERS)['outBulk']! - before).toBe(carried ? 0 : 1);
});

function carriedWhere({ cuts }: { cuts: number }, bytes: Uint8Array): boolean {
  writeRecord(program.map('uplinks'), 0, UPLINK.SIZE, (view) => {
    view.setUint32(UPLINK.ifindex, 1, true);
    view.setUint32(UPLINK.source, v4('192.0.2.1'));
    view.setUint32(UPLINK.mtu, 1_500, true);
    view.setUint32(UPLINK.finishes, 1, true);
    view.setUint32(UPLINK.cuts, cuts, true);
  });
  return run(bytes) === VERDICT.carried;
}

function run(bytes: Uint8Array): number {
  const frame = Uint8Array.of(...new Uint8Array(12), 0x86, 0xdd, ...bytes);
  return testRun(program.program('encap'), frame).verdict;
}

function tcp(flags: number, payload: number, header = 20): Uint8Array {
  const bytes = packet(TCP, header + payload);
  bytes[40 + 12] = (header / 4) << 4;
  bytes[40 + 13] = flags;
  return bytes;
}

function packet(next: number, size: number): Uint8Array {
  const bytes = data(OWN, PEER, 40 + size);
  bytes[6] = next;
  return bytes;
}
