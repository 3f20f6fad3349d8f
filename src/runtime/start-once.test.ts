import { expect, test } from 'vitest';
import { seededEntropy, v4 } from '../../test/support/client-rig.ts';
import { MemoryPorts } from '../io/memory-ports.ts';
import { MemoryIpv4Network } from '../io/memory-udp.ts';
import { SystemCallError } from '../linux/errors.ts';
import { inPlace } from '../linux/in-place.ts';
import { Client } from './client.ts';
import { ALL_NATIVE, Relay } from './relay.ts';
import { Server } from './server.ts';
import { LifecycleError } from './start-once.ts';

const ADDRESS = v4('192.0.2.10');

const SEATS = {
  Client: (ports: MemoryPorts) =>
    new Client(
      {
        servers: [{ primary: ADDRESS, secondary: ADDRESS + 1 }],
        port: 4_000,
        interface: 'teredo',
        dataPath: 'auto',
      },
      ports,
    ),
  Relay: (ports: MemoryPorts) =>
    new Relay(
      { address: ADDRESS, port: 4_000, interface: 'teredo', serve: ALL_NATIVE, dataPath: 'auto' },
      ports,
    ),
  Server: (ports: MemoryPorts) => new Server({ address: ADDRESS }, ports),
};

for (const [name, make] of Object.entries(SEATS)) {
  test(`${name}: a second start, or one after the end, rejects; a running role keeps running, and nothing is opened`, async () => {
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

  test(`${name}: in a program that uses the library it does not wait in place for packets`, async () => {
    const seat = make(new MemoryPorts(new MemoryIpv4Network(), [ADDRESS], seededEntropy(1)));
    await seat.start();
    expect(inPlace).toBeUndefined();
    await seat.close();
  });

  test(`${name}: a socket that the system does not let read: the start rejects, and nothing is left open`, async () => {
    const wire = new MemoryIpv4Network();
    const ports = new MemoryPorts(wire, [ADDRESS], seededEntropy(1));
    const open = ports.openUdp.bind(ports);
    const refused = new SystemCallError('epoll_ctl', 12);
    ports.openUdp = (options) =>
      Object.assign(open(options), {
        start: () => {
          throw refused;
        },
      });
    await expect(make(ports).start()).rejects.toMatchObject({ code: 'system' });
    expect([ports.tuns.size, ports.kernelPaths.size, ports.monitorCount]).toEqual([0, 0, 0]);
    ports.openUdp = open;
    const next = make(ports);
    await next.start();
    await next.close();
  });

  test(`${name}: closed while it starts, it leaves nothing open, however far it has come`, async () => {
    const wire = new MemoryIpv4Network();
    const ports = new MemoryPorts(wire, [ADDRESS], seededEntropy(1));
    let early = 0;
    for (let turns = 0; turns < 20; turns++) {
      const seat = make(ports);
      const started = seat.start().catch((error: unknown) => {
        if (error instanceof LifecycleError && error.code === 'closed-early') early++;
      });
      for (let turn = 0; turn < turns; turn++) await Promise.resolve();
      await seat.close();
      await started;
      expect([ports.tuns.size, ports.kernelPaths.size, ports.monitorCount]).toEqual([0, 0, 0]);
    }
    if (name !== 'Server') expect(early).toBeGreaterThan(0); // a server's start waits for nothing
  });
}

test('Client: closed while names are resolved, it takes no servers and looks at no network afterwards', async () => {
  const ports = new MemoryPorts(new MemoryIpv4Network(), [ADDRESS], seededEntropy(1));
  const client = new Client({ servers: ['192.0.2.99'] }, ports);
  const after: string[] = [];
  client.setServers = () => void after.push('servers');
  ports.network.ipv4Subnets = () => {
    after.push('network');
    return [];
  };
  const started = client.start();
  const closed = client.close();
  await expect(started).rejects.toMatchObject({ code: 'closed-early' });
  await closed;
  expect([after, client.listenerCount('state')]).toEqual([[], 0]);
});
