import type { SeededEntropy } from '../../src/sim/index.ts';
import { TRUSTED } from '../../src/core/peer-table.ts';
import type { Ipv6, Ipv6Prefix } from '../../src/wire/index.ts';
import { ClientRig, NATIVE, PRIMARY, RELAY, at, bubble, echoReply, teredo, v4, v6 } from './client-rig.ts';
import type { Cast, Sender } from './random-frames.ts';
import { RelayRig, prefix } from './relay-rig.ts';
import { packetOf } from './machine-rig.ts';
import type { CarriedPeer, Subject } from './verdict-world.ts';

const LOCAL = { address: v4('192.0.2.99'), port: 3_545 };
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
      if (offloaded) yield { address, mapped: mapped!, lastReceived: lastReceivedMs };
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
      yield { address: peers.address(peer), mapped, lastReceived: peers.lastReceived[peer]! };
    }
  }
}
