/** A tunnel and a port that workers share, in the kernel: what is of one client comes to one worker, in both directions. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { kernelPorts } from '../../src/io/kernel-ports.ts';
import type { Tun, Udp } from '../../src/io/ports.ts';
import { SteeredUdp } from '../../src/io/workers/steered-udp.ts';
import type { Strays } from '../../src/io/workers/steered-udp.ts';
import { clientAt, workerOfClient } from '../../src/io/workers/worker-of.ts';
import type { Steering } from '../../src/io/workers/worker-of.ts';
import { enterNewNetwork } from '../../src/linux/netns.ts';
import { UdpSocket } from '../../src/linux/udp.ts';
import {
  DESTINATION,
  NEXT_HEADER,
  SOURCE,
  formatIpv6,
  parseIpv6,
  writeAuthentication,
  writeIpv6Header,
  writeOrigin,
} from '../../src/wire/index.ts';
import type { Ipv6 } from '../../src/wire/index.ts';
import { eventually } from '../support/eventually.ts';
import { ip } from '../support/iproute.ts';
import { LOOPBACK, isRoot } from './adapters.ts';

const NAME = 'tdsteered';
const NATIVE = parseIpv6('2001:db8::1')!;
const CLIENTS = Array.from({ length: 100 }, (_, i) =>
  parseIpv6(`2001:0:cb00:7178::34ff:${(0x3f00 + i).toString(16)}`)!,
);

class SharedRig {
  readonly steering: Steering;
  readonly tuns: readonly Tun[];
  readonly udps: readonly Udp[];
  readonly port: number;
  /** By worker: the clients in what it has received, in the order of arrival. */
  readonly fromHost: string[][];
  readonly fromClients: string[][];

  constructor(workers: number, adapt: (udp: Udp, worker: number) => Udp = (udp) => udp) {
    this.steering = { key: 0x5eed_0001, factor: 0x9e37_79b1, workers };
    const ports = kernelPorts().workers!;
    const options = { address: LOOPBACK, port: 0, runs: true };
    const { tun, udp, others } = ports.openSharedTunnel(NAME, options, this.steering);
    this.tuns = [tun, ...others.map((other) => ports.adoptTun(other.tun, NAME))];
    this.udps = [udp, ...others.map((other) => ports.adoptUdp(other.udp, options))].map(adapt);
    this.port = udp.local.port;
    onTestFinished(() => {
      for (const one of [...this.tuns, ...this.udps]) one.close();
    });
    this.fromHost = this.tuns.map((one) => {
      const seen: string[] = [];
      one.start(
        ({ buffer, offsets, count }) => {
          for (let i = 0; i < count; i++) seen.push(addressIn(buffer, offsets[i]! + DESTINATION));
        },
        () => {},
      );
      return seen;
    });
    this.fromClients = this.udps.map((one) => {
      const seen: string[] = [];
      one.start(({ buffer, offsets, lengths, count }) => {
        for (let i = 0; i < count; i++) {
          const at = clientAt(buffer, offsets[i]!, offsets[i]! + lengths[i]!);
          seen.push(at < 0 ? 'none' : addressIn(buffer, at));
        }
      });
      return seen;
    });
  }

  workerOf(client: Ipv6): number {
    return workerOfClient(client, 0, this.steering);
  }

  expected(clients: readonly Ipv6[]): string[][] {
    const shares = this.tuns.map((): string[] => []);
    for (const client of clients) shares[this.workerOf(client)]!.push(formatIpv6(client));
    return shares;
  }
}

function addressIn(buffer: Uint8Array, at: number): string {
  return formatIpv6(buffer.slice(at, at + 16));
}

function bubble(source: Ipv6): Uint8Array {
  const packet = new Uint8Array(40);
  const header = {
    nextHeader: NEXT_HEADER.NONE,
    hopLimit: 64,
    payloadLength: 0,
    source,
    destination: NATIVE,
  };
  writeIpv6Header(packet, 0, header);
  expect(addressIn(packet, SOURCE)).toBe(formatIpv6(source));
  return packet;
}

function behindOrigin(packet: Uint8Array): Uint8Array {
  const datagram = new Uint8Array(8 + packet.length);
  datagram.set(packet, writeOrigin(datagram, 0, LOOPBACK, 3_545));
  return datagram;
}

function behindAuthentication(packet: Uint8Array): Uint8Array {
  const datagram = new Uint8Array(600 + packet.length);
  const id = new TextEncoder().encode('a client');
  const header = { clientId: id, value: new Uint8Array(16), nonce: new Uint8Array(8), confirmation: 0 };
  const end = writeAuthentication(datagram, 0, header);
  datagram.set(packet, end);
  return datagram.subarray(0, end + packet.length);
}

/** In one system call, from one port. */
function send(port: number, datagrams: readonly Uint8Array[]): void {
  const sender = new UdpSocket({ address: LOOPBACK, port: 0, headroom: 0 });
  for (const datagram of datagrams) sender.send(datagram, 0, datagram.length, LOOPBACK, port);
  sender.flush();
  sender.close();
}

describe.skipIf(!isRoot)('what workers share', () => {
  beforeAll(async () => {
    enterNewNetwork();
    await ip('link', 'set', 'lo', 'up');
  });

  test.for([2, 3, 8])('%d workers: both directions of a client come to one of them', async (workers) => {
    const rig = new SharedRig(workers);
    await ip('link', 'set', NAME, 'up');
    await ip('address', 'add', `${formatIpv6(NATIVE)}/128`, 'dev', NAME, 'nodad');
    await ip('route', 'add', '2001::/32', 'dev', NAME);
    const host = createSocket('udp6');
    for (const client of CLIENTS) host.send(new Uint8Array(100), 7, formatIpv6(client));
    await eventually(() => {
      const ours = rig.fromHost.map((seen) => seen.filter((to) => to.startsWith('2001:0:')));
      expect(ours).toEqual(rig.expected(CLIENTS));
    });
    host.close();
    await once(host, 'close');

    for (const form of [(packet: Uint8Array) => packet, behindOrigin, behindAuthentication, bothHeaders]) {
      for (const seen of rig.fromClients) seen.length = 0;
      for (const client of CLIENTS) send(rig.port, [form(bubble(client))]);
      await eventually(() => expect(rig.fromClients).toEqual(rig.expected(CLIENTS)));
    }
    expect(rig.expected(CLIENTS).every((share) => share.length > 50 / workers)).toBe(true);
  });

  test('broken and unknown datagrams, and those of no client, are the first one’s', async () => {
    const rig = new SharedRig(8);
    const odd = [
      new Uint8Array(0),
      Uint8Array.of(0, 1, 255, 255),
      Uint8Array.of(0, 0, 0),
      Uint8Array.of(0, 2, 0, 0),
      bubble(CLIENTS[0]!).subarray(0, 23),
      new Uint8Array(100).fill(0xff),
      bubble(NATIVE),
    ];
    for (const datagram of odd) send(rig.port, [datagram]);
    await eventually(() => expect(rig.fromClients[0]).toHaveLength(odd.length));
    expect(rig.fromClients.slice(1).flat()).toEqual([]);
  });

  test('datagrams of several clients that the kernel has merged into a run come to their workers', async () => {
    const strays: Strays[] = [];
    const rig: SharedRig = new SharedRig(2, (udp, worker) => {
      const steering = { key: 0x5eed_0001, factor: 0x9e37_79b1, workers: 2 };
      return new SteeredUdp(udp, worker, steering, kernelPorts(), (one) => strays.push(one));
    });
    const run = new UdpSocket({ address: LOOPBACK, port: 0, headroom: 0 });
    onTestFinished(() => run.close());
    // One system call with UDP_SEGMENT: over loopback it arrives as the run that it was sent as.
    for (const client of CLIENTS) {
      const datagram = behindOrigin(bubble(client));
      const long = new Uint8Array(200);
      long.set(datagram);
      run.send(long, 0, long.length, LOOPBACK, rig.port);
    }
    run.flush();
    await eventually(() => {
      const passed = strays.reduce((sum, { batch }) => sum + batch.count, 0);
      expect(rig.fromClients.flat().length + passed).toBe(CLIENTS.length);
      expect(passed).toBeGreaterThan(0);
    });
    for (const { to, batch } of strays) (rig.udps[to] as SteeredUdp).inject(batch);
    expect(rig.fromClients.map((seen) => seen.toSorted())).toEqual(
      rig.expected(CLIENTS).map((share) => share.toSorted()),
    );
  });
});

function bothHeaders(packet: Uint8Array): Uint8Array {
  return behindAuthentication(behindOrigin(packet));
}
