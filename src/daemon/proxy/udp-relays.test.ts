import { createSocket } from 'node:dgram';
import type { Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { afterEach, expect, onTestFinished, test, vi } from 'vitest';
import { eventually } from '../../../test/support/eventually.ts';
import { anywhere } from '../../../test/support/destinations.ts';
import { parseIpv6 } from '../../wire/index.ts';
import { writeDatagram } from '../../wire/socks5.ts';
import { Resolver } from './resolver.ts';
import type { SourcePath } from './source-path.ts';
import { UdpRelays } from './udp-relays.ts';

afterEach(() => void vi.useRealTimers());

const ANY_PORT = { host: { kind: 'ipv4', address: 0 }, port: 0 } as const;
const TARGET = { host: { kind: 'ipv6', address: parseIpv6('2a00::1')! }, port: 53 } as const;
const FULL = 1;

interface Rig {
  readonly relays: UdpRelays;
  /** Ports of clients that the proxy does not serve. */
  readonly strangers: Set<number>;
  /** What has gone to the targets. */
  readonly sent: string[];
}

/** A proxy for so many associations, whose guest has as many sockets and sends nothing. */
function rigOf(most: number): Rig {
  const [strangers, sent]: [Set<number>, string[]] = [new Set(), []];
  let free = most;
  const openUdp = (): UdpSocket | undefined => {
    if (free === 0) return undefined;
    free--;
    const socket = createSocket('udp6').on('close', () => free++);
    const send = (octets: Uint8Array): void => void sent.push(Buffer.from(octets).toString());
    return Object.assign(socket.bind(0, '::1'), { send });
  };
  const relays = new UdpRelays(
    {
      network: { openUdp },
      resolver: new Resolver({ ipv6Only: true }),
      destinations: anywhere(),
      hasIpv4: false,
      isServed: ({ port }) => !strangers.has(port),
    },
    most,
  );
  return { relays, strangers, sent };
}

interface Association {
  readonly control: Socket;
  /** The code of the reply, and the port of the relay. RFC 1928 section 6 */
  readonly reply: number;
  readonly port: number;
  readonly closed: Promise<unknown>;
}

async function associate({ relays }: Rig, number: number): Promise<Association> {
  const server = createServer({ allowHalfOpen: true });
  onTestFinished(() => void server.close());
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const accepted = once(server, 'connection') as Promise<[Socket]>;
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1').on('error', () => {});
  onTestFinished(() => void client.destroy());
  const [control] = await accepted;
  const source: SourcePath = [number, number, number];
  void relays.associate(
    control.on('error', () => {}),
    ANY_PORT,
    { source, gone: new AbortController().signal },
  );
  const [reply] = (await once(client, 'data')) as [Buffer];
  return { control, reply: reply[1]!, port: reply.readUInt16BE(8), closed: once(client, 'close') };
}

async function sender(): Promise<UdpSocket> {
  const socket = createSocket('udp4');
  onTestFinished(() => void socket.close());
  await once(socket.bind(0, '127.0.0.1'), 'listening');
  return socket;
}

function send(from: UdpSocket, { port }: Association, words: string): void {
  from.send(writeDatagram(TARGET, Buffer.from(words)), port, '127.0.0.1');
}

test('a source does not hold all associations: a newcomer gets one of it, and its sockets', async () => {
  const rig = rigOf(4);
  const all = [];
  for (let i = 0; i < 4; i++) all.push(await associate(rig, 1));
  expect(all.map(({ reply }) => reply)).toEqual([0, 0, 0, 0]);
  expect((await associate(rig, 1)).reply).toBe(FULL);
  const newcomer = await associate(rig, 2);
  expect(newcomer.reply).toBe(0);
  await all[3]!.closed;
  send(await sender(), newcomer, 'hello');
  await eventually(() => expect(rig.sent).toEqual(['hello']));
});

test('datagrams of a user that is not served are dropped, and do not take the association', async () => {
  const rig = rigOf(1);
  const association = await associate(rig, 1);
  const [stranger, owner] = [await sender(), await sender()];
  rig.strangers.add(stranger.address().port);
  send(stranger, association, 'stranger');
  send(owner, association, 'owner');
  await eventually(() => expect(rig.sent).toContain('owner'));
  send(stranger, association, 'stranger again');
  send(owner, association, 'owner again');
  await eventually(() => expect(rig.sent).toContain('owner again'));
  expect(rig.sent).toEqual(['owner', 'owner again']);
});

test('an association without datagrams ends after 2 minutes; each datagram of its owner prolongs it, and none of others', async () => {
  const rig = rigOf(1);
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  const association = await associate(rig, 1);
  const [stranger, owner] = [await sender(), await sender()];
  rig.strangers.add(stranger.address().port);
  vi.advanceTimersByTime(119_999);
  send(owner, association, 'one');
  while (rig.sent.length === 0) await new Promise((resolve) => setImmediate(resolve));
  vi.advanceTimersByTime(119_998);
  send(stranger, association, 'other');
  // When a later datagram to another socket of this process has come, this one has, too.
  send(stranger, { ...association, port: owner.address().port }, 'mark');
  await once(owner, 'message');
  vi.advanceTimersByTime(1);
  expect(association.control.destroyed).toBe(false);
  vi.advanceTimersByTime(1);
  await association.closed;
});
