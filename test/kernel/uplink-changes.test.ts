/** What becomes of the host's ways out is followed while packets are carried. */
import { expect, test } from 'vitest';
import { execute } from '../../src/lab/index.ts';
import { kernelRig } from '../contract/kernel-fast-path-rig.ts';
import { data, v6 } from '../support/client-rig.ts';
import { eventually } from '../support/eventually.ts';

const OWN = v6('2001:0:cb00:7178::1');
const PEER = v6('2001:0:cb00:7178::2');

test('an uplink whose MTU shrinks is sent nothing larger', async () => {
  const { fastPath, peer, clock, hostSends, peerGot, fromTunnel } = await kernelRig('client');
  const offer = (): void => {
    fastPath.offload(PEER, 0, peer.address, peer.port, clock.now());
    fastPath.flush();
  };
  let resets = 0;
  fastPath.start({ onCarried: () => {}, onReset: () => resets++, onLost: () => {} });
  fastPath.setOwn(OWN);
  offer();
  hostSends(data(OWN, PEER, 1_280));
  await eventually(() => expect(peerGot()).toHaveLength(1));
  execute('ip', ['link', 'set', 'wan', 'mtu', '1300']);
  await eventually(() => expect(resets).toBeGreaterThan(0));
  offer();
  hostSends(data(OWN, PEER, 1_280));
  await eventually(() => expect(fromTunnel).toEqual([data(OWN, PEER, 1_280)]));
  hostSends(data(OWN, PEER, 1_272));
  await eventually(() => expect(peerGot()).toHaveLength(2));
});
