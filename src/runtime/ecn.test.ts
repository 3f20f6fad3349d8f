import { expect, onTestFinished, test } from 'vitest';
import { bubble, data, seededEntropy, teredo, v4 } from '../../test/support/client-rig.ts';
import { MemoryClock } from '../io/memory-clock.ts';
import { MemoryPorts } from '../io/memory-ports.ts';
import { MemoryIpv4Network } from '../io/memory-udp.ts';
import { Client } from './client.ts';
import { Server } from './server.ts';

const [PRIMARY, SECONDARY] = [v4('203.0.113.120'), v4('203.0.113.121')];
const HOST = v4('192.0.2.10');
const PLACE = { address: v4('192.0.2.11'), port: 5_000 };
const PEER = teredo({ address: PRIMARY, port: 3_544 }, PLACE);
const [NOT_ECT, ECT0, CE] = [0, 2, 3];

test.each(['user', 'auto'] as const)(
  "N-8: a datagram's mark of congestion reaches the packet within, or ends it: data path %s",
  async (dataPath) => {
    const [wire, clock] = [new MemoryIpv4Network(), new MemoryClock()];
    const pass = async (milliseconds: number): Promise<void> => {
      for (let left = milliseconds; left > 0; left -= 100) {
        clock.advance(100);
        for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
      }
    };
    const server = new Server(
      { address: PRIMARY, secondary: SECONDARY },
      new MemoryPorts(wire, [PRIMARY, SECONDARY], seededEntropy(1), clock),
    );
    onTestFinished(() => server.close());
    await server.start();
    const ports = new MemoryPorts(wire, [HOST], seededEntropy(2), clock);
    const servers = [{ primary: PRIMARY, secondary: SECONDARY }];
    const client = new Client({ servers, interface: 'teredo', localDiscovery: false, dataPath }, ports);
    onTestFinished(() => client.close());
    await client.start();
    await pass(500);
    const to = { address: HOST, port: client.status().mapped!.port };
    wire.carry({ bytes: bubble(PEER, client.address!), source: PLACE }, to);
    await pass(100);

    const tun = ports.tuns.get('teredo')!;
    for (const [inner, tos] of [
      [ECT0, NOT_ECT],
      [ECT0, CE],
      [NOT_ECT, CE],
    ] as const) {
      const packet = data(PEER, client.address!);
      packet[1] = inner << 4;
      wire.carry({ bytes: packet, source: PLACE, tos }, to);
      await pass(100);
    }
    expect(tun.delivered.map((packet) => packet[1]! >> 4)).toEqual([ECT0, CE]);
    const [carried] = ports.kernelPaths;
    expect(carried?.counters['inEcnDropped']).toBe(dataPath === 'auto' ? 1 : undefined);
    expect(client.counters['droppedEcn']).toBe(dataPath === 'auto' ? 0 : 1);
  },
);
