/** The bench writes entries of the kernel's table by itself: everything else in them stays as it is. */
import { expect, onTestFinished, test } from 'vitest';
import { provePeers } from '../../bench/proven-peers.ts';
import { WAY } from '../../src/linux/bpf/layout.ts';
import { PeerMap } from '../../src/linux/bpf/peer-map.ts';
import { loadPeerProgram } from '../../src/linux/bpf/peer-program.ts';
import { enterNewNetwork } from '../../src/linux/netns.ts';
import { makeTeredoAddress } from '../../src/wire/index.ts';
import { monotonic } from '../support/carrying-programs.ts';
import { v4 } from '../support/client-rig.ts';

test('peers are proven, and count as heard by the socket now', () => {
  enterNewNetwork();
  const program = loadPeerProgram({ peers: 16, served: 1, proofs: 1, reports: 4_096 });
  onTestFinished(() => program.close());
  const peers = new PeerMap(program.map('peers'));
  const place = { address: v4('192.0.2.7'), port: 4_000, localPort: 3_545, uplink: 3 };
  const [address, port] = [place.address, place.port];
  const peer = makeTeredoAddress({ server: 1, flags: 0, mappedAddress: address, mappedPort: port });
  const heardAt = monotonic() * 1e6 - 0.5e9;
  expect(peers.put(peer, 0, place, heardAt, monotonic() * 1e6)).toBe(0);
  expect(provePeers()).toBe(1);
  const state = peers.state(peer, monotonic() * 1e6)!;
  expect(state).toMatchObject({ ...place, way: WAY.checked, unwraps: false, failures: 0 });
  expect(Math.abs(state.lastReceived - heardAt)).toBeLessThan(1.1e6);
  expect(Math.abs(state.socketHeardAgo)).toBeLessThan(0.3e9);
});
