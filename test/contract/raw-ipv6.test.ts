import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { kernelPorts } from '../../src/io/kernel-ports.ts';
import type { PortFactory } from '../../src/io/port-factory.ts';
import type { RawIpv6 } from '../../src/io/ports.ts';
import { ip } from '../support/iproute.ts';
import { enterNewNetwork } from '../../src/linux/netns.ts';
import { NEXT_HEADER, parseIpv6, transportChecksum, writeIpv6Header } from '../../src/wire/index.ts';
import { isRoot, memoryPorts } from './adapters.ts';
import { eventually } from '../support/eventually.ts';

/** Packets from FOREIGN, which is not an address of this host, to HOST. `received`: arrived payloads by source. */
interface Rig {
  readonly raw: RawIpv6;
  readonly received: () => string[];
}

const HOST = parseIpv6('2001:db8::1')!;
const FOREIGN = parseIpv6('2001:0:c000:201::5')!;
const PORT = 4_001;

const RIGS: readonly { name: string; skipped: boolean; open: () => Promise<Rig> }[] = [
  { name: isRoot ? 'kernel' : 'kernel (needs root)', skipped: !isRoot, open: kernelRig },
  { name: 'memory', skipped: false, open: memoryRig },
];

for (const { name, skipped, open } of RIGS) {
  describe.skipIf(skipped)(`RawIpv6: ${name}`, () => {
    if (name === 'kernel') beforeAll(enterNewNetwork);

    test('sends packets unchanged, with any source', async () => {
      const { raw, received } = await open();
      const packet = udpPacket('hello');
      const buffer = new Uint8Array(packet.length + 9);
      buffer.set(packet, 9);
      expect(raw.send(buffer, 9, packet.length)).toBe(true);
      buffer.fill(0);

      await eventually(() => expect(received()).toEqual(['hello from 2001:0:c000:201::5']));
      expect(raw.failures).toEqual({});
    });

    test('sends nothing once closed', async () => {
      const { raw, received } = await open();
      raw.close();
      raw.close();
      const packet = udpPacket('hello');
      expect(raw.send(packet, 0, packet.length)).toBe(false);
      expect(received()).toEqual([]);
    });
  });
}

test.skipIf(!isRoot)('RawIpv6: kernel: counts a packet without a route (needs root)', () => {
  const raw = openRaw(kernelPorts());
  const packet = udpPacket('hello', parseIpv6('2001:db8:1::1')!);
  expect(raw.send(packet, 0, packet.length)).toBe(false);
  expect(raw.failures).toEqual({ ENETUNREACH: 1 });
});

function openRaw(ports: PortFactory): RawIpv6 {
  const raw = ports.openRawIpv6();
  onTestFinished(() => raw.close());
  return raw;
}

async function kernelRig(): Promise<Rig> {
  await ip('link', 'set', 'lo', 'up');
  await ip('address', 'replace', '2001:db8::1/128', 'dev', 'lo');
  const host = createSocket('udp6');
  host.bind(PORT, '2001:db8::1');
  await once(host, 'listening');
  onTestFinished(() => void host.close());
  const received: string[] = [];
  host.on('message', (message, { address }) => received.push(`${message.toString()} from ${address}`));
  return { raw: openRaw(kernelPorts()), received: () => received };
}

async function memoryRig(): Promise<Rig> {
  const ports = memoryPorts();
  const received = (): string[] =>
    ports.rawPackets.map(
      (packet) => `${new TextDecoder().decode(packet.subarray(48))} from 2001:0:c000:201::5`,
    );
  return { raw: openRaw(ports), received };
}

function udpPacket(text: string, destination = HOST): Uint8Array {
  const payload = new TextEncoder().encode(text);
  const packet = new Uint8Array(48 + payload.length);
  const payloadLength = packet.length - 40;
  const source = FOREIGN;
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
