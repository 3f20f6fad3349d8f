/**
 * A route may have its own MTU, below that of its interface. Datagrams of the socket are fragmented for it; the kernel path sends none that
 * would be.
 */
import { expect, test } from 'vitest';
import { execute } from '../../src/lab/index.ts';
import { kernelRig } from '../contract/ebpf-kernel-path-rig.ts';
import { data, v6 } from '../support/client-rig.ts';
import { eventually } from '../support/eventually.ts';

const OWN = v6('2001:0:cb00:7178::1');
const PEER = v6('2001:0:cb00:7178::2');

test("a packet that is too long for the peer's route after wrapping is left to the process, as soon as the route has that MTU", async () => {
  const { kernelPath, peer, clock, prove, hostSends, peerGot, fromTunnel } = await kernelRig('client');
  const offer = (): void => {
    kernelPath.offload(PEER, 0, peer.address, peer.port, clock.now());
    kernelPath.flush();
  };
  kernelPath.start({ onCarried: () => {}, onReset: offer, onLost: () => {} });
  kernelPath.setOwn(OWN);
  offer();
  await prove(OWN, PEER);
  const [fitting, longer] = [data(OWN, PEER, 1_200 - 28), data(OWN, PEER, 1_200 - 27)];
  hostSends(longer);
  await eventually(() => expect(peerGot()).toEqual([longer]));
  execute('ip', ['route', 'replace', '192.0.2.0/24', 'dev', 'wan', 'mtu', '1200']);
  await eventually(() => {
    hostSends(longer);
    expect(fromTunnel).toContainEqual(longer);
  });
  await prove(OWN, PEER);
  hostSends(longer);
  hostSends(fitting);
  await eventually(() => {
    expect(peerGot()).toEqual([fitting]);
    expect(fromTunnel).toEqual([longer]);
  });
});
