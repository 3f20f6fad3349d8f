/** While descriptors or memory are short, no packet is carried by a way that has changed, or from an address that this host no longer has. */
import { beforeAll, expect, test } from 'vitest';
import type { KernelPath } from '../../src/io/ports.ts';
import { kernelRig } from '../contract/ebpf-kernel-path-rig.ts';
import { data, v6 } from '../support/client-rig.ts';
import { DescriptorLimit } from '../support/descriptor-limit.ts';
import { eventually } from '../support/eventually.ts';
import { makeRefusable } from '../support/refusable-calls.ts';
import { ERRORS, record, refuse } from '../support/refusing-system.ts';

const OWN = v6('2001:0:cb00:7178::1');
const OTHER = v6('2001:0:cb00:7178::9');
const PEER = v6('2001:0:cb00:7178::2');

beforeAll(makeRefusable);

async function carrying() {
  const rig = await kernelRig('client');
  const { kernelPath, peer, clock } = rig;
  const offer = (): void => {
    kernelPath.offload(PEER, 0, peer.address, peer.port, clock.now());
    kernelPath.flush();
  };
  kernelPath.start({ onCarried: () => {}, onReset: offer, onLost: unexpected });
  kernelPath.setOwn(OWN);
  offer();
  await rig.prove(OWN, PEER);
  return { ...rig, offer };
}

test('an address that has gone while there were no descriptors is not sent from, and the new one is once there are', async () => {
  const { kernelPath, prove, hostSends, fromTunnel, peerGot, peerHeardFrom } = await carrying();
  const limit = new DescriptorLimit();
  // Afterwards the routes are as before, but for the source.
  await limit.begin('ip address del 192.0.2.1/24 dev wan && ip address add 192.0.2.7/24 dev wan');
  await eventually(() => expect(kernelPath.size).toBe(0));
  hostSends(data(OWN, PEER));
  await eventually(() => expect(fromTunnel).toContainEqual(data(OWN, PEER)));
  expect(peerGot()).toEqual([]);
  await limit.end();
  await eventually(() => expect(kernelPath.size).toBe(1));
  await prove(OWN, PEER);
  hostSends(data(OWN, PEER));
  await eventually(() => expect(peerGot()).toEqual([data(OWN, PEER)]));
  expect(peerHeardFrom()[0]).toMatch(/^192\.0\.2\.7:/);
});

/** The site of the write of the configuration when the own address is set. */
function siteOfSetOwn(kernelPath: KernelPath): string {
  const recording = record();
  kernelPath.setOwn(OTHER);
  const site = recording.end().find((one) => one.startsWith('update '))!;
  kernelPath.setOwn(OWN);
  return site;
}

test('an own address that cannot be written: nothing is carried for the one before, and then for the new one', async () => {
  const { kernelPath, hostSends, peerSends, hostGot, fromTunnel, fromSocket, offer, prove } =
    await carrying();
  const site = siteOfSetOwn(kernelPath);
  const end = refuse(site, ERRORS.ENOMEM, 1);
  kernelPath.setOwn(OTHER);
  expect(end()).toBe(1);
  expect(kernelPath.size).toBe(0);
  hostSends(data(OWN, PEER));
  peerSends(data(PEER, OWN));
  await eventually(() => expect(fromTunnel).toContainEqual(data(OWN, PEER)));
  await eventually(() => expect(fromSocket).toContainEqual(data(PEER, OWN)));
  await eventually(() => expect(kernelPath.size).toBe(1));
  offer();
  await prove(OTHER, PEER);
  peerSends(data(PEER, OTHER));
  await eventually(() => expect(hostGot()).toContainEqual(data(PEER, OTHER)));
});

test('a peer whose entry cannot be changed is taken out: a packet that the host refuses to send is not sent', async () => {
  const { kernelPath, hostSends, fromTunnel, peerGot, offer, prove } = await carrying();
  const recording = record();
  kernelPath.refused(PEER, 0);
  const site = recording.end().find((one) => one.startsWith('testRun '))!;
  expect(kernelPath.pathOf(PEER)).toEqual({ way: 'inward', reason: 'refused' });
  kernelPath.forget();
  offer();
  await prove(OWN, PEER);
  const end = refuse(site, ERRORS.ENOMEM, 1);
  kernelPath.refused(PEER, 0);
  expect(end()).toBe(1);
  expect([kernelPath.pathOf(PEER), kernelPath.size]).toEqual([{ way: 'none' }, 0]);
  hostSends(data(OWN, PEER));
  await eventually(() => expect(fromTunnel).toContainEqual(data(OWN, PEER)));
  expect(peerGot()).toEqual([]);
  offer();
  await prove(OWN, PEER);
});

test('a peer is taken out although there is no memory to read its counts', async () => {
  const { kernelPath } = await carrying();
  const unload = (): void => {
    kernelPath.unload(PEER, 0);
    kernelPath.flush();
  };
  const recording = record();
  unload();
  const site = recording.end().find((one) => one.startsWith('lookupAndDelete '))!;
  kernelPath.offload(PEER, 0, 0xc000_0202, 5_000, 1e9);
  kernelPath.flush();
  expect(kernelPath.size).toBe(1);
  const end = refuse(site, ERRORS.ENOMEM, 1);
  unload();
  expect([end(), kernelPath.size, kernelPath.pathOf(PEER)]).toEqual([1, 0, { way: 'none' }]);
});

test('the own address is written only where it changes', async () => {
  const { kernelPath } = await carrying();
  const recording = record();
  for (let i = 0; i < 3; i++) kernelPath.setOwn(OWN.slice());
  expect(recording.end()).toEqual([]);
});

function unexpected(error: Error): void {
  throw error;
}
