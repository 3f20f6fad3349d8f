import { createSocket } from 'node:dgram';
import type { Socket } from 'node:dgram';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { HEADROOM } from '../../src/core/machine.ts';
import { kernelPorts } from '../../src/io/kernel-ports.ts';
import type { MemoryTun } from '../../src/io/memory-tun.ts';
import type { PortFactory } from '../../src/io/port-factory.ts';
import type { PacketBatch, Tun } from '../../src/io/ports.ts';
import { ip } from '../support/iproute.ts';
import { enterNewNetwork } from '../../src/linux/netns.ts';
import { NEXT_HEADER, parseIpv6, toHex, transportChecksum, writeIpv6Header } from '../../src/wire/index.ts';
import { isRoot, memoryPorts } from './adapters.ts';
import { eventually } from '../support/eventually.ts';

/** A tunnel and the host at its near end, seen from both sides. Payloads are those of UDP packets. */
interface Rig {
  readonly ports: PortFactory;
  readonly tun: Tun;
  readonly hostSends: (payload: Uint8Array) => void;
  readonly hostGot: () => Uint8Array[];
  readonly removeInterface: () => Promise<void>;
}

const HOST = parseIpv6('fd00::1')!;
const FAR = parseIpv6('fd00::2')!;
const PORT = 4_000;
const NAME = 'tdcontract';

const RIGS: readonly { name: string; skipped: boolean; open: () => Promise<Rig> }[] = [
  { name: isRoot ? 'kernel' : 'kernel (needs root)', skipped: !isRoot, open: kernelRig },
  { name: 'memory', skipped: false, open: memoryRig },
];

for (const { name, skipped, open } of RIGS) {
  describe.skipIf(skipped)(`Tun: ${name}`, () => {
    if (name === 'kernel') beforeAll(enterNewNetwork);

    test("delivers the host's packets whole and in order, with writable head-room", async () => {
      const { tun, hostSends } = await open();
      const got: Uint8Array[] = [];
      tun.start((batch) => {
        for (let i = 0; i < batch.count; i++) {
          batch.buffer.fill(0xff, batch.offsets[i]! - HEADROOM, batch.offsets[i]);
          got.push(packetAt(batch, i));
        }
      }, notLost);
      for (let i = 0; i < 100; i++) hostSends(new Uint8Array(i * 12).fill(i));

      await eventually(() => expect(ours(got)).toHaveLength(100));
      expect(ours(got).map(payloadOf)).toEqual(
        Array.from({ length: 100 }, (_, i) => new Uint8Array(i * 12).fill(i)),
      );
      expect(tun.counters.readPackets).toBe(got.length);
      expect(tun.counters.readBytes).toBe(got.reduce((sum, { length }) => sum + length, 0));
    });

    test('hands packets to the host, copying those that are not in a batch', async () => {
      const { tun, hostGot } = await open();
      tun.start(() => {}, notLost);
      for (let i = 1; i <= 100; i++) {
        const packet = udpPacket(new Uint8Array(i * 12).fill(i));
        const buffer = new Uint8Array(packet.length + 20);
        buffer.set(packet, 10);
        tun.write(buffer, 10, packet.length);
        buffer.fill(0);
      }
      tun.flush();

      await eventually(() => expect(hostGot()).toHaveLength(100));
      expect(hostGot()).toEqual(
        Array.from({ length: 100 }, (_, i) => new Uint8Array((i + 1) * 12).fill(i + 1)),
      );
      expect(tun.counters).toMatchObject({
        writtenPackets: 100,
        writtenBytes: hostGot().reduce((sum, { length }) => sum + length + 48, 0),
      });
      expect(tun.counters.writeFailures).toEqual({});
    });

    test('hands a packet of a batch back', async () => {
      const { tun, hostSends, hostGot } = await open();
      tun.start((batch) => {
        for (let i = 0; i < batch.count; i++) {
          if (!isOurs(packetAt(batch, i))) continue;
          swapAddresses(batch.buffer, batch.offsets[i]!);
          tun.write(batch.buffer, batch.offsets[i]!, batch.lengths[i]!);
        }
        tun.flush();
      }, notLost);
      hostSends(Uint8Array.of(1, 2, 3));

      await eventually(() => expect(hostGot()).toEqual([Uint8Array.of(1, 2, 3)]));
    });

    test('counts packets that the host refuses, without throwing', async () => {
      const { tun } = await open();
      tun.start(() => {}, notLost);
      const nonsense = new Uint8Array(60);
      tun.write(nonsense, 0, 60);
      tun.flush();
      expect(tun.counters.writeFailures).toEqual({ EINVAL: 1 });
      expect(tun.counters.writtenPackets).toBe(0);
    });

    test('reports once that it was removed, and does nothing from then on', async () => {
      const { tun, removeInterface } = await open();
      const lost: Error[] = [];
      tun.start(
        () => {},
        (error) => void lost.push(error),
      );
      await removeInterface();

      await eventually(() => expect(lost).toHaveLength(1));
      expect(lost[0]!.message).toContain(NAME);
      const packet = udpPacket(Uint8Array.of(1));
      tun.write(packet, 0, packet.length);
      tun.flush();
      tun.close();
      expect(lost).toHaveLength(1);
      expect(tun.counters.writtenPackets).toBe(0);
      expect(tun.counters.writeFailures).toEqual({});
    });

    test('has a name that no other program can take, until it is closed', async () => {
      const { ports, tun } = await open();
      expect(tun.name).toBe(NAME);
      expect(() => ports.openTun(NAME)).toThrowError(expect.objectContaining({ code: 'interface-taken' }));
      tun.close();
      ports.openTun(NAME).close();
    });
  });
}

async function kernelRig(): Promise<Rig> {
  const ports = kernelPorts();
  const tun = ports.openTun(NAME);
  onTestFinished(() => tun.close());
  await ports.tunnelHost.setUpTunnel(NAME, 1280);
  await ports.tunnelHost.addAddress(NAME, HOST, 64);
  // The kernel accepts packets for a new address after a short time.
  await eventually(() => expect(readFileSync('/proc/net/ipv6_route', 'utf8')).toContain(`${toHex(HOST)} 80`));
  const host = await hostSocket();
  const hostGot: Uint8Array[] = [];
  host.on('message', (message) => hostGot.push(Uint8Array.from(message)));
  return {
    ports,
    tun,
    hostSends: (payload) => host.send(payload, PORT, 'fd00::2'),
    hostGot: () => hostGot,
    removeInterface: () => ip('link', 'delete', NAME),
  };
}

async function hostSocket(): Promise<Socket> {
  const host = createSocket('udp6');
  host.bind(PORT, 'fd00::1', () => host.setRecvBufferSize(1 << 20));
  await once(host, 'listening');
  onTestFinished(() => void host.close());
  return host;
}

async function memoryRig(): Promise<Rig> {
  const ports = memoryPorts();
  const tun: MemoryTun = ports.openTun(NAME);
  return {
    ports,
    tun,
    hostSends: (payload) => tun.offer(udpPacket(payload, HOST, FAR)),
    hostGot: () => tun.delivered.map(payloadOf),
    removeInterface: async () => tun.remove(),
  };
}

function udpPacket(payload: Uint8Array, source = FAR, destination = HOST): Uint8Array {
  const packet = new Uint8Array(48 + payload.length);
  const payloadLength = packet.length - 40;
  writeIpv6Header(packet, 0, {
    payloadLength,
    nextHeader: NEXT_HEADER.UDP,
    hopLimit: 64,
    source,
    destination,
  });
  const view = new DataView(packet.buffer);
  view.setUint16(40, PORT);
  view.setUint16(42, PORT);
  view.setUint16(44, payloadLength);
  packet.set(payload, 48);
  view.setUint16(46, transportChecksum(packet, 0, NEXT_HEADER.UDP, 40, packet.length) || 0xffff);
  return packet;
}

function packetAt(batch: PacketBatch, i: number): Uint8Array {
  return batch.buffer.slice(batch.offsets[i]!, batch.offsets[i]! + batch.lengths[i]!);
}

/** A host itself sends packets on a new interface (MLD). */
function isOurs(packet: Uint8Array): boolean {
  return packet[6] === NEXT_HEADER.UDP;
}

function ours(packets: readonly Uint8Array[]): Uint8Array[] {
  return packets.filter(isOurs);
}

function payloadOf(packet: Uint8Array): Uint8Array {
  return packet.slice(48);
}

function swapAddresses(buffer: Uint8Array, at: number): void {
  const source = buffer.slice(at + 8, at + 24);
  buffer.copyWithin(at + 8, at + 24, at + 40);
  buffer.set(source, at + 24);
}

function notLost(error: Error): void {
  throw error;
}
