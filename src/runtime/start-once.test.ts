import { expect, test } from 'vitest';
import { seededEntropy, v4 } from '../../test/support/client-rig.ts';
import { MemoryPorts } from '../io/memory-ports.ts';
import { MemoryIpv4Network } from '../io/memory-udp.ts';
import { Client } from './client.ts';
import { ALL_NATIVE, Relay } from './relay.ts';
import { Server } from './server.ts';

const ADDRESS = v4('192.0.2.10');

const SEATS = {
  Client: (ports: MemoryPorts) =>
    new Client(
      { servers: [{ primary: ADDRESS, secondary: ADDRESS }], port: 4_000, interface: 'teredo' },
      ports,
    ),
  Relay: (ports: MemoryPorts) =>
    new Relay({ address: ADDRESS, port: 4_000, interface: 'teredo', serve: ALL_NATIVE }, ports),
  Server: (ports: MemoryPorts) => new Server({ address: ADDRESS }, ports),
};

for (const [name, make] of Object.entries(SEATS)) {
  test(`${name}: a second start, or one after the end, rejects; what runs goes on, and nothing is opened`, async () => {
    const wire = new MemoryIpv4Network();
    const ports = new MemoryPorts(wire, [ADDRESS], seededEntropy(1));
    const seat = make(ports);
    await seat.start();
    await expect(seat.start()).rejects.toMatchObject({ code: 'started-twice' });
    const second = make(ports);
    await expect(second.start()).rejects.toMatchObject({ code: 'port-taken' });
    await seat.close();
    await expect(seat.start()).rejects.toMatchObject({ code: 'started-twice' });
    const third = make(ports);
    await third.start();
    await third.close();
  });
}
