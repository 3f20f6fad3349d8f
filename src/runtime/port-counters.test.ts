import { expect, onTestFinished, test } from 'vitest';
import { seededEntropy, v4 } from '../../test/support/client-rig.ts';
import { MemoryPorts } from '../io/memory-ports.ts';
import { MemoryIpv4Network } from '../io/memory-udp.ts';
import type { Machine } from '../core/machine.ts';
import { Client } from './client.ts';
import { Driver } from './driver.ts';
import { ALL_NATIVE, Relay } from './relay.ts';
import { Server } from './server.ts';

const ADDRESS = v4('192.0.2.10');

const SEATS = {
  Client: (ports: MemoryPorts) =>
    new Client({ servers: [{ primary: v4('192.0.2.1'), secondary: undefined }], interface: 'teredo' }, ports),
  Relay: (ports: MemoryPorts) =>
    new Relay({ address: ADDRESS, port: 3545, interface: 'teredo', serve: ALL_NATIVE }, ports),
  Server: (ports: MemoryPorts) => new Server({ address: ADDRESS }, ports),
};

test.for(Object.entries(SEATS))(
  '%s: refusals and losses of the system are counted, by reason',
  async ([, make]) => {
    const ports = new MemoryPorts(new MemoryIpv4Network(), [ADDRESS], seededEntropy(1));
    const seat = make(ports);
    onTestFinished(() => seat.close());
    await seat.start();
    expect(seat.status().portCounters).toEqual({ udpReceiveOverflows: 0 });
    const [socket] = ports.sockets;
    socket!.send(new Uint8Array(70_000), 0, 70_000, ADDRESS, 9);
    socket!.send(new Uint8Array(1), 0, 1, ADDRESS, 0);
    socket!.flush();
    const [tun] = ports.tuns.values();
    tun?.write(new Uint8Array(8), 0, 8);
    tun?.flush();
    expect(seat.status().portCounters).toEqual({
      udpReceiveOverflows: 0,
      'udpSendFailures.EMSGSIZE': 1,
      'udpSendFailures.EINVAL': 1,
      ...(tun === undefined ? {} : { 'tunWriteFailures.EINVAL': 1 }),
    });
  },
);

test('a socket that is given up leaves its counts', () => {
  const ports = new MemoryPorts(new MemoryIpv4Network(), [ADDRESS], seededEntropy(1));
  const driver = new Driver({} as Machine, ports.clock, () => {});
  for (let times = 1; times <= 2; times++) {
    const socket = ports.openUdp({ address: ADDRESS, port: 0 });
    driver.attachUdp(0, socket);
    socket.send(new Uint8Array(1), 0, 1, ADDRESS, 0);
    socket.flush();
    driver.detachUdp(0);
    expect(driver.portCounters).toEqual({ udpReceiveOverflows: 0, 'udpSendFailures.EINVAL': times });
  }
});
