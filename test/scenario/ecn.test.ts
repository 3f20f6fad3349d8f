import { describe, expect } from 'vitest';
import { Internet } from '../../src/sim/index.ts';
import { buildUdp6 } from '../../src/sim/ipv6-udp.ts';
import { expectQualifiedSoon, expectReply } from './support/expectations.ts';
import { seededTest } from './support/with-seed.ts';

const [NOT_ECT, ECT0, CE] = [0, 2, 3];

describe.each([false, true])("N-8: a router marks a peer's datagrams: kernel path %s", (offload) => {
  seededTest('the packets within have the mark, or are dropped', (seed) => {
    const net = new Internet({ seed, offload });
    net.addServer();
    const [a, b] = [net.addClient(), net.addClient()];
    expectQualifiedSoon(net.world, a, b);
    expectReply(net.world, a.ipv6.ping(b.ipv6.address), 2_000);
    let got = 0;
    b.ipv6.listen(9, () => got++);
    const [source, destination] = [a.ipv6.address, b.ipv6.address];
    const packet = buildUdp6({
      source,
      destination,
      sourcePort: 9,
      destinationPort: 9,
      payload: new Uint8Array(8),
    });
    const arrive = (inner: number, tos: number): void => {
      const payload = packet.slice();
      payload[1] = inner << 4;
      const before = payload.slice();
      const [from, to] = [a.status.mapped!, b.status.mapped!];
      net.ipv4.find(to.address)!.arrive({
        source: from.address,
        sourcePort: from.port,
        destination: to.address,
        destinationPort: to.port,
        timeToLive: 60,
        tos,
        payload,
      });
      net.world.runFor(10);
      expect(payload).toEqual(before); // a datagram under way is never changed
    };
    arrive(ECT0, NOT_ECT);
    arrive(ECT0, CE);
    arrive(NOT_ECT, CE);
    expect(got).toBe(2);
    const dropped = offload ? b.carrier!.counters.inEcnDropped : b.machine.counters['droppedEcn'];
    expect(dropped).toBe(1);
  });
});
