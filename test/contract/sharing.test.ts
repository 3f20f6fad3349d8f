/** A tunnel and a port that a client's workers share, in the kernel: the packets of peers that were given to a worker come to it, all others to the first. */
import { once } from 'node:events';
import { createSocket } from 'node:dgram';
import type { Socket } from 'node:dgram';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { kernelPorts } from '../../src/io/kernel-ports.ts';
import { enterNewNetwork } from '../../src/linux/netns.ts';
import { DESTINATION, SOURCE, formatIpv6, writeOrigin } from '../../src/wire/index.ts';
import { bubble, data, v6 } from '../support/client-rig.ts';
import { eventually } from '../support/eventually.ts';
import { ip } from '../support/iproute.ts';
import { join } from '../support/machine-rig.ts';
import { LOOPBACK, isRoot } from './adapters.ts';

const NAME = 'tdshared';
const OWN = v6('2001:0:cb00:7178::1');
const [PEER, OTHER, STRANGER] = ['2001:0:cb00:7178::2', '2001:db8::3', '2001:db8::4'].map(v6) as [
  Uint8Array,
  Uint8Array,
  Uint8Array,
];
const WORKERS = 3;

describe.skipIf(!isRoot)('a shared tunnel and port', () => {
  beforeAll(async () => {
    enterNewNetwork();
    await ip('link', 'set', 'lo', 'up');
  });

  /** By worker, in the order of arrival: the peers in what the host has sent, and in datagrams. */
  function open() {
    const ports = kernelPorts().workers!;
    const options = { address: LOOPBACK, port: 0, runs: true };
    const { tun, udp, others, sharing } = ports.openPeerTunnel(NAME, options, WORKERS, 2);
    const tuns = [tun, ...others.map((other) => ports.adoptTun(other.tun, NAME))];
    const udps = [udp, ...others.map((other) => ports.adoptUdp(other.udp, options))];
    onTestFinished(() => {
      for (const one of [...tuns, ...udps]) one.close();
      sharing.close();
    });
    const addressIn = (b: Uint8Array, at: number): string => formatIpv6(b.slice(at, at + 16));
    const fromHost = tuns.map((one) => {
      const seen: string[] = [];
      one.start(
        ({ buffer, offsets, count }) => {
          for (let i = 0; i < count; i++) seen.push(addressIn(buffer, offsets[i]! + DESTINATION));
        },
        () => {},
      );
      return seen;
    });
    const fromPeers = udps.map((one) => {
      const seen: string[] = [];
      one.start(({ buffer, offsets, lengths, count }) => {
        for (let i = 0; i < count; i++)
          seen.push(`${lengths[i]} of ${addressIn(buffer, offsets[i]! + SOURCE)}`);
      });
      return seen;
    });
    return { sharing, fromHost, fromPeers, port: udp.local.port };
  }

  async function sender(): Promise<Socket> {
    const socket = createSocket('udp4');
    onTestFinished(() => void socket.close());
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    return socket;
  }

  test("a given peer's datagrams from its place come to its worker; from elsewhere, bubbles, with an origin, and of others to the first", async () => {
    const { sharing, fromPeers, port } = open();
    const [place, elsewhere] = [await sender(), await sender()];
    const send = (socket: Socket, bytes: Uint8Array): void => socket.send(bytes, port, '127.0.0.1');
    expect(sharing.give(PEER, 0, LOOPBACK, place.address().port, 2)).toBe(true);
    const origin = new Uint8Array(8);
    writeOrigin(origin, 0, LOOPBACK, 1);
    send(place, data(PEER, OWN, 100));
    send(elsewhere, data(PEER, OWN, 101));
    send(place, bubble(PEER, OWN));
    send(place, join(origin, data(PEER, OWN, 102)));
    send(place, data(STRANGER, OWN, 103));
    send(place, Uint8Array.of(0x60));
    await eventually(() => expect(fromPeers[0]).toHaveLength(5));
    await eventually(() => expect(fromPeers[2]).toHaveLength(1));
    expect(fromPeers[1]).toEqual([]);
    sharing.takeBack(PEER, 0);
    sharing.takeBack(PEER, 0);
    send(place, data(PEER, OWN, 104));
    await eventually(() => expect(fromPeers[0]).toHaveLength(6));
    expect(fromPeers[2]).toHaveLength(1);
  });

  test("the host's packets to a given peer come to its worker, all others to the first; what finds no room is refused", async () => {
    const { sharing, fromHost } = open();
    await ip('link', 'set', NAME, 'up');
    await ip('-6', 'addr', 'add', `${formatIpv6(OWN)}/128`, 'dev', NAME, 'nodad');
    await ip('-6', 'route', 'add', '2000::/3', 'dev', NAME);
    expect(sharing.give(PEER, 0, LOOPBACK, 1, 1)).toBe(true);
    expect(sharing.give(OTHER, 0, LOOPBACK, 2, 2)).toBe(true);
    expect(sharing.give(STRANGER, 0, LOOPBACK, 3, 2)).toBe(false);
    const host = createSocket('udp6');
    onTestFinished(() => void host.close());
    const all = [PEER, OTHER, STRANGER].map((peer) => formatIpv6(peer));
    for (const peer of all) host.send('x', 9, peer);
    const of = (worker: number): string[] => fromHost[worker]!.filter((peer) => all.includes(peer));
    await eventually(() => expect([of(1), of(2), of(0)]).toEqual(all.map((peer) => [peer])));
    sharing.takeBack(PEER, 0);
    host.send('x', 9, all[0]);
    await eventually(() => expect(of(0)).toEqual([all[2], all[0]]));
  });
});
