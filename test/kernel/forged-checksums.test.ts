/**
 * A checksum that is still to be made is known by the kernel's own mark, not by the octets in its field, which any sender can write. Over a real
 * link: the socket and the programs take the same datagrams.
 */
import { describe, expect, test } from 'vitest';
import { buildIpv4Udp } from '../../src/sim/pcap.ts';
import {
  NEXT_HEADER,
  foldSum,
  internetChecksum,
  parseEndpoint,
  pseudoHeaderSum,
  readUint16,
  transportChecksum,
  writeUint16,
} from '../../src/wire/index.ts';
import { kernelRig } from '../contract/ebpf-kernel-path-rig.ts';
import { data, v4, v6 } from '../support/client-rig.ts';
import { eventually } from '../support/eventually.ts';
import { udpSeed } from '../support/host-receive.ts';

const OWN = v6('2001:0:cb00:7178::1');
const PEER = v6('2001:0:cb00:7178::2');
const [UDP, PAYLOAD] = [20, 28];

/** A packet of UDP within, whose own checksum is as it should be, or still to be made. */
function packetOf(length: number, isMade: boolean): Uint8Array {
  const packet = data(PEER, OWN, length);
  packet[6] = NEXT_HEADER.UDP;
  writeUint16(packet, 44, length - 40);
  writeUint16(packet, 46, 0);
  const made = transportChecksum(packet, 0, NEXT_HEADER.UDP, 40, length);
  writeUint16(packet, 46, isMade ? made : foldSum(pseudoHeaderSum(packet, 0, NEXT_HEADER.UDP, length - 40)));
  return packet;
}

type Change = (datagram: Uint8Array) => void;

const seed = (datagram: Uint8Array): number => udpSeed(datagram, 0, readUint16(datagram, UDP + 4));

const FORGED: Record<string, readonly [boolean, Change]> = {
  'the sum of the pseudo-header outside': [true, (d) => writeUint16(d, UDP + 6, foldSum(seed(d)))],
  'a wrong one outside, and within that of the pseudo-header': [
    false,
    (d) => writeUint16(d, UDP + 6, readUint16(d, UDP + 6) ^ 0x0101),
  ],
  'one outside for the sum within that is not there': [
    false,
    (d) => {
      const within = packetOf(d.length - PAYLOAD, true);
      const other = d.slice();
      other.set(within, PAYLOAD);
      writeUint16(other, UDP + 6, 0);
      writeUint16(d, UDP + 6, internetChecksum(other, UDP, other.length, seed(d)));
    },
  ],
};

describe.each([
  ['user', 'veth'],
  ['kernel', 'veth'],
  ['kernel', 'tun'],
] as const)('carried by: %s, over %s', (path, link) => {
  test.each(Object.entries(FORGED))('%s is wrong', async (_, [isMade, change]) => {
    const rig = await kernelRig('client', link);
    const { kernelPath, peer, clock, peerSends, peerSendsIpv4, hostGot, fromSocket } = rig;
    kernelPath.setOwn(OWN);
    if (path === 'kernel') {
      kernelPath.offload(PEER, 0, peer.address, peer.port, clock.now());
      kernelPath.flush();
    }
    const local = parseEndpoint(rig.socketPair)!;
    const forged = buildIpv4Udp({
      source: v4('192.0.2.2'),
      sourcePort: peer.port,
      destination: local.address,
      destinationPort: local.port,
      timeToLive: 64,
      payload: packetOf(100, isMade),
    });
    const got = (): Uint8Array[] => (path === 'kernel' ? hostGot() : fromSocket);
    // The same octets without a change come through.
    const right = packetOf(100, true);
    const sane = buildIpv4Udp({
      source: v4('192.0.2.2'),
      sourcePort: peer.port,
      destination: local.address,
      destinationPort: local.port,
      timeToLive: 64,
      payload: right,
    });
    peerSendsIpv4(sane);
    await eventually(() => expect(got()).toEqual([right]));
    change(forged);
    peerSendsIpv4(forged);
    // Over a virtual link the kernel leaves this one's checksum to the receiver, with a mark.
    peerSends(data(PEER, OWN, 200));
    await eventually(() => expect(got()).toContainEqual(data(PEER, OWN, 200)));
    expect(got()).toEqual([right, data(PEER, OWN, 200)]);
    expect(path === 'kernel' ? fromSocket : hostGot()).toEqual([]);
  });
});
