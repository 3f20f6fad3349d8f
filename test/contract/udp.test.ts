import { describe, expect, onTestFinished, test } from 'vitest';
import { HEADROOM } from '../../src/core/machine.ts';
import { EnvironmentError } from '../../src/io/errors.ts';
import type { PortFactory } from '../../src/io/port-factory.ts';
import type { DatagramBatch, Udp } from '../../src/io/ports.ts';
import { ADAPTERS, LOOPBACK } from './adapters.ts';
import { eventually } from '../support/eventually.ts';

describe.each(ADAPTERS)('Udp: $name', ({ ports: make }) => {
  test('names the address and port to which it is bound', () => {
    const { local } = open(make());
    expect(local.address).toBe(LOOPBACK);
    expect(local.port).toBeGreaterThan(0);
  });

  test('carries datagrams whole and in order, and gives their source', async () => {
    const ports = make();
    const [a, b] = [open(ports), open(ports)];
    const got = collect(b);
    for (let i = 0; i < 150; i++) send(a, b, new Uint8Array(i * 9).fill(i));
    a.flush();

    await eventually(() => expect(got).toHaveLength(150));
    expect(got.map(({ bytes }) => bytes)).toEqual(
      Array.from({ length: 150 }, (_, i) => new Uint8Array(i * 9).fill(i)),
    );
    expect(new Set(got.map(({ from }) => from))).toEqual(new Set([`${a.local.address}:${a.local.port}`]));
  });

  test('delivers datagrams that came in runs as they were sent', async () => {
    const ports = make();
    const a = open(ports);
    const b = ports.openUdp({ address: LOOPBACK, port: 0, runs: true });
    onTestFinished(() => b.close());
    const got = collect(b);
    // All of one length except the last of each run, some empty; more than fit into one message, and into one batch.
    const lengths = Array.from({ length: 3_000 }, (_, i) =>
      i % 70 === 0 ? i % 1_200 : i % 700 === 5 ? 0 : 1_200,
    );
    for (let i = 0; i < lengths.length; i += 300) {
      for (const [k, length] of lengths.slice(i, i + 300).entries())
        send(a, b, new Uint8Array(length).fill(i + k));
      a.flush();
      await eventually(() => expect(got).toHaveLength(i + 300));
    }
    expect(got.map(({ bytes }) => bytes.length)).toEqual(lengths);
    const sent = lengths.map((length, i) => new Uint8Array(length).fill(i));
    expect(Buffer.concat(got.map(({ bytes }) => bytes)).equals(Buffer.concat(sent))).toBe(true);
    expect(b.counters).toMatchObject({
      receivedDatagrams: lengths.length,
      receivedBytes: lengths.reduce((sum, length) => sum + length, 0),
    });
  });

  test('carries the largest possible datagram', async () => {
    const ports = make();
    const [a, b] = [open(ports), open(ports)];
    const got = collect(b);
    send(a, b, new Uint8Array(65_507).fill(5));
    a.flush();

    await eventually(() => expect(got).toHaveLength(1));
    expect(got[0]!.bytes).toEqual(new Uint8Array(65_507).fill(5));
  });

  test('gives the TOS octet, which is 0 if the sender has not set it', async () => {
    const ports = make();
    const [a, b] = [open(ports), open(ports)];
    const seen: number[] = [];
    b.start((batch) => seen.push(...batch.tos.subarray(0, batch.count)));
    for (let i = 0; i < 3; i++) send(a, b, Uint8Array.of(i));
    a.flush();

    await eventually(() => expect(seen).toEqual([0, 0, 0]));
  });

  test('keeps datagrams that arrived before it was started', async () => {
    const ports = make();
    const [a, b] = [open(ports), open(ports)];
    send(a, b, Uint8Array.of(1));
    a.flush();
    const got = collect(b);

    await eventually(() => expect(got).toHaveLength(1));
  });

  test('sends nothing before it is flushed', async () => {
    const ports = make();
    const [a, b, c] = [open(ports), open(ports), open(ports)];
    const got = collect(b);
    send(a, b, Uint8Array.of(1));
    send(c, b, Uint8Array.of(2));
    c.flush();
    await eventually(() => expect(got.map(({ bytes }) => bytes[0])).toEqual([2]));
    a.flush();
    await eventually(() => expect(got.map(({ bytes }) => bytes[0])).toEqual([2, 1]));
  });

  test('copies its arguments', async () => {
    const ports = make();
    const [a, b] = [open(ports), open(ports)];
    const got = collect(b);
    const bytes = Uint8Array.of(1, 2, 3, 4);
    a.send(bytes, 1, 2, LOOPBACK, b.local.port);
    bytes.fill(9);
    a.flush();

    await eventually(() => expect(got.map(({ bytes }) => bytes)).toEqual([Uint8Array.of(2, 3)]));
  });

  test('forwards out of a batch, with a header put in front', async () => {
    const ports = make();
    const [a, b, c] = [open(ports), open(ports), open(ports)];
    const got = collect(c);
    b.start((batch) => {
      for (let i = 0; i < batch.count; i++) {
        const start = batch.offsets[i]! - HEADROOM;
        batch.buffer.fill(7, start, batch.offsets[i]);
        b.send(batch.buffer, start, HEADROOM + batch.lengths[i]!, LOOPBACK, c.local.port);
      }
      b.flush();
    });
    for (let i = 0; i < 3; i++) send(a, b, Uint8Array.of(i));
    a.flush();

    await eventually(() => expect(got).toHaveLength(3));
    expect(got.map(({ bytes }) => bytes)).toEqual(
      [0, 1, 2].map((i) => Uint8Array.of(...new Uint8Array(HEADROOM).fill(7), i)),
    );
  });

  test('counts carried and refused datagrams, by reason, without throwing', async () => {
    const ports = make();
    const [a, b] = [open(ports), open(ports)];
    const got = collect(b);
    send(a, b, new Uint8Array(10));
    a.send(new Uint8Array(1), 0, 1, LOOPBACK, 0);
    send(a, b, new Uint8Array(65_508));
    send(a, b, new Uint8Array(20));
    a.flush();

    await eventually(() => expect(got).toHaveLength(2));
    expect(a.counters.sendFailures).toEqual({ EINVAL: 1, EMSGSIZE: 1 });
    expect(a.counters).toMatchObject({ sentDatagrams: 2, sentBytes: 30 });
    expect(b.counters).toMatchObject({ receivedDatagrams: 2, receivedBytes: 30, receiveOverflows: 0 });
  });

  test('is silent once closed, also out of its own callback', async () => {
    const ports = make();
    const [a, b, c] = [open(ports), open(ports), open(ports)];
    const got = collect(c);
    let calls = 0;
    b.start(() => {
      calls++;
      send(b, c, Uint8Array.of(1));
      b.close();
      b.flush();
    });
    for (let i = 0; i < 3; i++) {
      send(a, b, Uint8Array.of(i));
      a.flush();
    }
    await eventually(() => expect(calls).toBe(1));
    send(a, b, Uint8Array.of(9));
    send(a, c, Uint8Array.of(2));
    a.flush();
    b.close();

    await eventually(() => expect(got.map(({ bytes }) => bytes[0])).toEqual([2]));
    expect(calls).toBe(1);
  });

  test('reports that a port is taken, and that an address is not of this host', () => {
    const ports = make();
    const { port } = open(ports).local;
    expect(refusal(() => ports.openUdp({ address: LOOPBACK, port }))).toMatchObject({ code: 'port-taken' });
    expect(refusal(() => ports.openUdp({ address: 0x01020304, port: 0 }))).toMatchObject({
      code: 'not-local',
    });
  });

  test('releases its port', () => {
    const ports = make();
    const first = open(ports);
    first.close();
    expect(open(ports, first.local.port).local.port).toBe(first.local.port);
  });
});

function open(ports: PortFactory, port = 0): Udp {
  const udp = ports.openUdp({ address: LOOPBACK, port });
  onTestFinished(() => udp.close());
  return udp;
}

function send(from: Udp, to: Udp, bytes: Uint8Array): void {
  from.send(bytes, 0, bytes.length, to.local.address, to.local.port);
}

function collect(udp: Udp): { bytes: Uint8Array; from: string }[] {
  const got: { bytes: Uint8Array; from: string }[] = [];
  udp.start((batch: DatagramBatch) => {
    for (let i = 0; i < batch.count; i++) {
      const start = batch.offsets[i]!;
      got.push({
        bytes: batch.buffer.slice(start, start + batch.lengths[i]!),
        from: `${batch.addresses[i]}:${batch.ports[i]}`,
      });
    }
  });
  return got;
}

function refusal(open: () => unknown): EnvironmentError {
  try {
    open();
  } catch (error) {
    if (error instanceof EnvironmentError) return error;
    throw error;
  }
  throw new Error('was not refused');
}
