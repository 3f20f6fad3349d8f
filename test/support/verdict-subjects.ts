import type { SeededEntropy } from '../../src/sim/index.ts';
import { TRUSTED } from '../../src/core/peer-table.ts';
import type { Ipv6, Ipv6Prefix } from '../../src/wire/index.ts';
import type { MachineEvent } from '../../src/core/events.ts';
import {
  ClientRig,
  NATIVE,
  PRIMARY,
  RELAY,
  at,
  bubble,
  data,
  echoReply,
  teredo,
  v4,
  v6,
} from './client-rig.ts';
import { A, A_NONCE, A_SERVER, NatRig, trailersOf } from './nat-rig.ts';
import type { Cast, Sender } from './random-frames.ts';
import { RelayRig, prefix } from './relay-rig.ts';
import { packetOf } from './machine-rig.ts';
import type { CarriedPeer, Subject } from './verdict-world.ts';

const LOCAL = { address: v4('192.0.2.99'), port: 3_545 };
const SERVICE_ONLY: ReadonlyMap<number, number> = new Map([[0, LOCAL.port]]);
const SERVER = at('198.51.100.118:3544');
const CLIENTS: readonly Sender[] = ['192.0.2.10:8192', '192.0.2.11:8193', '198.18.7.7:1024'].map((pair) => ({
  address: teredo(SERVER, at(pair)),
  place: at(pair),
}));
/** Addresses that cannot be a source, or not from outside, or that belong to other hosts. */
const ODD = [
  '::',
  '::1',
  '::2',
  '::ffff:192.0.2.1',
  'fe80::1',
  'fec0::1',
  'fc00::1',
  'ff02::1',
  '2001:db8:7::7',
];
const PAIR = at('192.0.2.77:4077');

function odd(addresses: readonly string[] = ODD): Sender[] {
  return addresses.map((address) => ({ address: v6(address), place: PAIR }));
}

/** A client with Teredo peers and one native peer, behind a relay. */
export class ClientSubject implements Subject {
  readonly role = 'client';
  readonly serve: readonly Ipv6Prefix[] = [];
  readonly cast: Cast;
  readonly ports = SERVICE_ONLY;
  private readonly rig = new ClientRig({ offload: true });
  private readonly native: Sender = { address: NATIVE, place: RELAY };

  constructor(now: number) {
    this.rig.now = now;
    this.rig.qualify();
    const { address } = this.rig;
    this.cast = {
      local: LOCAL,
      peers: [...CLIENTS.slice(0, 2), this.native],
      others: [CLIENTS[2]!, { address, place: PAIR }, { address: NATIVE, place: PRIMARY }, ...odd()],
      inside: [address],
      outside: [...odd().map((one) => one.address), CLIENTS[0]!.address],
    };
  }

  get machine() {
    return this.rig.machine;
  }
  get now(): number {
    return this.rig.now;
  }
  get own(): Ipv6 {
    return this.rig.address;
  }

  begin(random: SeededEntropy, milliseconds: number): void {
    const { rig } = this;
    this.serveFor(milliseconds);
    rig.clear();
    for (const { address, place } of CLIENTS.slice(0, 2))
      if (random.chance(0.6)) rig.receive(place, bubble(address, rig.address));
    if (random.chance(0.6)) {
      rig.send(rig.data(NATIVE));
      for (const test of rig.all('test')) rig.receive(RELAY, echoReply(test));
    }
    rig.clear();
  }

  /** Lets time pass with a server that answers solicitations within a second. */
  private serveFor(milliseconds: number): void {
    const { rig } = this;
    for (const end = rig.now + milliseconds; rig.now < end;) {
      rig.clear().advance(Math.min(1_000, end - rig.now));
      for (const solicitation of rig.all('solicitation', PRIMARY)) rig.answer(solicitation);
    }
  }

  *carriedPeers(): Generator<CarriedPeer> {
    for (const { address, mapped, lastReceivedMs, offloaded } of this.machine.peers(this.now))
      if (offloaded) yield { address, mapped: mapped!, lastReceived: lastReceivedMs, socket: 0 };
  }

  event(): void {}
}

/** The other end of a contact that a client behind a symmetric NAT has with a peer by a socket of its own. */
const A_RANDOM = at('192.0.2.1:51000');
const A_OTHER = at('192.0.2.7:1000');
/** A peer that is reached by the service port. */
const OTHER: Sender = { address: teredo(A_SERVER, A_OTHER), place: A_OTHER };

/** A client behind a symmetric NAT that preserves ports: some peers are reached by sockets of their own. */
export class SymmetricSubject implements Subject {
  readonly role = 'client';
  readonly serve: readonly Ipv6Prefix[] = [];
  readonly ports = new Map<number, number>(SERVICE_ONLY);
  private readonly rig = new NatRig('preserving', { offload: true });
  private readonly random: { -readonly [part in keyof Sender]: Sender[part] } = {
    address: A,
    place: A_RANDOM,
  };

  readonly cast: Cast;
  /** Those of the sockets for single peers, open or closed. */
  private readonly otherPorts: number[] = [];

  constructor(now: number) {
    this.rig.now = now;
    this.rig.pass(1_000);
    const { address } = this.rig;
    this.cast = {
      local: LOCAL,
      otherPorts: this.otherPorts,
      peers: [this.random, this.random, OTHER],
      others: [{ address: A, place: PAIR }, { address: OTHER.address, place: A_RANDOM }, ...odd()],
      inside: [address],
      outside: odd().map((one) => one.address),
    };
  }

  get machine() {
    return this.rig.machine;
  }
  get now(): number {
    return this.rig.now;
  }
  get own(): Ipv6 {
    return this.rig.address;
  }

  begin(random: SeededEntropy, milliseconds: number): void {
    const { rig } = this;
    rig.clear().pass(milliseconds);
    this.noteSockets();
    if (random.chance(0.6)) rig.receive(OTHER.place, bubble(OTHER.address, rig.address));
    if (random.chance(0.6)) this.introduce();
    rig.clear();
  }

  /** A shows our nonce at its random port, to the port of its socket here. */
  private introduce(): void {
    const { rig } = this;
    rig.send(data(rig.address, A));
    rig.forwarded({ nonce: A_NONCE, randomPort: A_RANDOM.port });
    this.noteSockets();
    const named = rig.all('bubble', A_SERVER).findLast((one) => trailersOf(one).nonce !== undefined);
    for (const socket of this.ports.keys())
      if (named !== undefined) rig.direct(A_RANDOM, { nonce: trailersOf(named).nonce! }, socket);
    this.noteSockets();
  }

  private noteSockets(): void {
    for (const event of this.rig.events.splice(0)) this.event(event);
  }

  event(event: MachineEvent): void {
    if (event.type === 'socket-wanted') {
      const port = event.port ?? 40_000 + event.socket;
      this.ports.set(event.socket, port);
      this.otherPorts.splice(2);
      this.otherPorts.unshift(port);
      this.random.localPort = port;
    } else if (event.type === 'socket-unwanted') this.ports.delete(event.socket);
  }

  *carriedPeers(): Generator<CarriedPeer> {
    const { peerTable: peers } = this.machine;
    for (const { address, mapped, lastReceivedMs, offloaded } of this.machine.peers(this.now)) {
      const socket = peers.socket[peers.find(address, 0)]!;
      if (offloaded && this.ports.has(socket))
        yield { address, mapped: mapped!, lastReceived: lastReceivedMs, socket };
    }
  }
}

const NATIVES = ['2001:db8::1', '2001:db8::2', '2400:1::1'].map(v6);
const SERVED = [
  ['2000::/3'],
  ['::/0'],
  ['2001:db8::/32', '2400:1::1/128'],
  ['2001:db8::1/128', 'fe80::/10', '::/8'],
];

/** A relay with clients, one of them behind a symmetric NAT. */
export class RelaySubject implements Subject {
  readonly role = 'relay';
  readonly own = undefined;
  serve: readonly Ipv6Prefix[] = [];
  readonly cast: Cast;
  readonly ports = SERVICE_ONLY;
  private readonly rig = new RelayRig({ offload: true });

  constructor(now: number) {
    this.rig.now = now;
    this.cast = {
      local: LOCAL,
      peers: [...CLIENTS.slice(0, 2), { address: CLIENTS[2]!.address, place: PAIR }],
      others: [{ address: teredo(SERVER, PAIR), place: PAIR }, ...odd()],
      inside: NATIVES,
      outside: [...odd().map((one) => one.address), CLIENTS[0]!.address],
    };
  }

  get machine() {
    return this.rig.machine;
  }
  get now(): number {
    return this.rig.now;
  }

  begin(random: SeededEntropy, milliseconds: number): void {
    const { rig } = this;
    rig.clear().advance(milliseconds).clear();
    this.serve = [prefix('2000::/3')];
    rig.machine.setServed(this.serve);
    for (const { address, place } of this.cast.peers) {
      if (!random.chance(0.6)) continue;
      rig.toClient(NATIVES[0]!, address).toClient(NATIVES[0]!, address);
      for (const { source, destination } of rig.bubbles)
        if (Buffer.compare(destination, address) === 0) rig.receive(place, packetOf(address, source, 0, 59));
      rig.clear();
    }
    this.serve = random.pick(SERVED).map(prefix);
    rig.machine.setServed(this.serve);
  }

  *carriedPeers(): Generator<CarriedPeer> {
    const { peers } = this.machine;
    for (const peer of peers) {
      if (peers.status[peer] !== TRUSTED || !this.machine.isOffloaded(peer)) continue;
      const mapped = { address: peers.mappedAddress[peer]!, port: peers.mappedPort[peer]! };
      yield { address: peers.address(peer), mapped, lastReceived: peers.lastReceived.at(peer), socket: 0 };
    }
  }

  event(): void {}
}
