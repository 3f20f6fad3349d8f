/** Frames with a VLAN tag at the interface below: those of another network are not carried, and reach no socket here. */
import { expect, test } from 'vitest';
import { execute } from '../../src/lab/process.ts';
import { buildIpv4Udp } from '../../src/sim/pcap.ts';
import { parseEndpoint } from '../../src/wire/index.ts';
import { kernelRig } from '../contract/ebpf-kernel-path-rig.ts';
import { data, v4, v6 } from '../support/client-rig.ts';
import { eventually } from '../support/eventually.ts';

const OWN = v6('2001:0:cb00:7178::1');
const PEER = v6('2001:0:cb00:7178::2');
/** Sends the frame in its first argument, in hexadecimal digits, from the interface `far` of the network of the second. */
const SEND = `
import ctypes, socket, sys
with open(sys.argv[2]) as network:
    assert ctypes.CDLL(None).setns(network.fileno(), 0x40000000) == 0
end = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
end.bind(("far", 0))
end.send(bytes.fromhex(sys.argv[1]))
`;

test('a frame with the tag of another network is not for this host; one with a priority only is left to the socket', async () => {
  const rig = await kernelRig('client');
  const { kernelPath, peer, clock, peerSends, hostGot, fromSocket } = rig;
  kernelPath.setOwn(OWN);
  kernelPath.offload(PEER, 0, peer.address, peer.port, clock.now());
  kernelPath.flush();
  peerSends(data(PEER, OWN, 60)); // the addresses of the link are known afterwards
  await eventually(() => expect(hostGot()).toEqual([data(PEER, OWN, 60)]));
  const local = parseEndpoint(rig.socketPair)!;
  const [, mac] = /ether (\S+)/.exec(execute('ip', ['link', 'show', 'wan']))!;
  const sendTagged = (tag: number, size: number): void => {
    const datagram = buildIpv4Udp({
      source: v4('192.0.2.2'),
      sourcePort: peer.port,
      destination: local.address,
      destinationPort: local.port,
      timeToLive: 64,
      payload: data(PEER, OWN, size),
    });
    const header = `${mac!.replaceAll(':', '')}0200000000018100${tag.toString(16).padStart(4, '0')}0800`;
    execute('python3', ['-c', SEND, header + Buffer.from(datagram).toString('hex'), rig.peerNetwork]);
  };
  const before = { ...kernelPath.counters };
  sendTagged(5, 61);
  sendTagged(0x6000, 62);
  await eventually(() => expect(fromSocket).toEqual([data(PEER, OWN, 62)]));
  expect(kernelPath.counters['carriedIn']).toBe(before['carriedIn']);
  expect(hostGot()).toHaveLength(1);
});
