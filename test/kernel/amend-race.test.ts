/** User space changes a peer's entry while the programs do: neither loses data that the other has written. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { expect, onTestFinished, test } from 'vitest';
import { WAY } from '../../src/linux/bpf/layout.ts';
import { PeerMap } from '../../src/linux/bpf/peer-map.ts';
import { enterNewNetwork } from '../../src/linux/netns.ts';
import { buildIpv4Udp } from '../../src/sim/pcap.ts';
import { CarryingPrograms, ETHERNET, monotonic } from '../support/carrying-programs.ts';
import { at, data, v6 } from '../support/client-rig.ts';
import { IS_ALL } from '../support/extent.ts';
import { upFor } from '../support/uptime.ts';

const OWN = v6('2001:0:cb00:7178::1');
const PEER = v6('2001:0:cb00:7178::2');
const LOCAL = at('192.0.2.1:3545');
const PLACE = at('198.51.100.7:40000');
const CHANGES = IS_ALL ? 200_000 : 40_000;

/** Has a program receive two frames in turn, on another processor. */
const RECEIVER = `
const { parentPort, workerData } = require('node:worker_threads');
import(workerData.module).then(({ TestRuns }) => {
  const runs = new TestRuns(workerData.program, 2_000);
  const ended = new Int32Array(workerData.ended);
  parentPort.postMessage('begun');
  let count = 0;
  while (Atomics.load(ended, 0) === 0) runs.run(workerData.frames[count++ % 2]);
  parentPort.postMessage(count);
});`;

test('how far a peer is carried, and the signs of its kernel in its datagrams', async () => {
  await upFor(35_000);
  enterNewNetwork();
  const programs = new CarryingPrograms(LOCAL);
  onTestFinished(() => programs.close());
  programs.configure({ role: 'client', own: OWN, serve: [] });
  programs.put(PEER, 0, PLACE, monotonic());
  const { program } = programs;
  const peers = new PeerMap(program.map('peers'), program.program('amend'));
  const summed = new Uint8Array(ETHERNET + 28 + 100);
  summed[ETHERNET - 2] = 8;
  const [source, destination] = [PLACE, LOCAL];
  const payload = data(PEER, OWN, 100);
  summed.set(
    buildIpv4Udp({
      source: source.address,
      sourcePort: source.port,
      destination: destination.address,
      destinationPort: destination.port,
      timeToLive: 64,
      payload,
    }),
    ETHERNET,
  );
  const bare = summed.slice().fill(0, ETHERNET + 26, ETHERNET + 28);
  const ended = new SharedArrayBuffer(4);
  const worker = new Worker(RECEIVER, {
    eval: true,
    workerData: {
      module: new URL('../../dist/linux/bpf/test-run.js', import.meta.url).href,
      program: program.program('decap'),
      frames: [summed, bare],
      ended,
    },
  });
  onTestFinished(async () => void (await worker.terminate()));
  await once(worker, 'message');
  let lost = 0;
  for (let i = 0; i < CHANGES; i++) {
    const [way, failures] = [i % 2 === 0 ? WAY.bare : WAY.checked, i % 15] as const;
    expect(peers.setWay(PEER, way, failures, 0)).toBe(true);
    const state = peers.state(PEER, 0)!;
    if (state.way !== way || state.failures !== failures) lost++;
  }
  const counted = once(worker, 'message');
  Atomics.store(new Int32Array(ended), 0, 1);
  const [received] = (await counted) as [number];
  expect(received).toBeGreaterThan(1_000);
  expect(lost).toBe(0);
  expect(peers.state(PEER, 0)).toMatchObject({ address: PLACE.address, port: PLACE.port, uplink: 0 });
});
