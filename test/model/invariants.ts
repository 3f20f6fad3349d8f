import { DISCOVERY_GROUP } from '../../src/core/constants.ts';
import type { Machine } from '../../src/core/machine.ts';
import type {
  Attachment,
  Ipv4Datagram,
  Ipv6Host,
  Ipv6Router,
  SimClient,
  World,
} from '../../src/sim/index.ts';
import type { Ipv6 } from '../../src/wire/index.ts';
import {
  DatagramView,
  ICMPV6,
  IPV6_HEADER,
  NEXT_HEADER,
  SOURCE,
  TEREDO_PORT,
  decodeDatagram,
  formatEndpoint,
  formatIpv4,
  formatIpv6,
  isBubble,
  isLinkLocal,
  payloadLength,
  toHex,
} from '../../src/wire/index.ts';

/** RFC 4380 section 5.2.4, C-9, independent of the machines' list: first address, bits of the prefix. */
const NOT_GLOBAL: readonly (readonly [first: number, length: number])[] = [
  [0x00000000, 8],
  [0x0a000000, 8],
  [0x7f000000, 8],
  [0xa9fe0000, 16],
  [0xac100000, 12],
  [0xc0586300, 24],
  [0xc0a80000, 16],
  [0xe0000000, 4],
  [0xffffffff, 32],
];

/** CL-94, R-33: rounds to a peer that never answers. */
const BUDGET_WINDOW_MS = 300_000;
const ECHO_TESTS = 2;
const BUDGET = 4;

/** For one peer a client or relay sends to one address and port at most a bubble and an answer every 2 s; with some slack for resets. */
const BUBBLE_WINDOW_MS = 10_000;
const BUBBLES_IN_WINDOW = 20;

/** The invariants of every world without attackers, checked after each event. */
export class Invariants {
  private readonly world: World;
  private readonly machines: (() => Machine)[] = [];
  /** Every packet that its source has sent, without the hop limit. */
  private readonly sent = new Set<string>();
  private readonly addressesOf = new Map<SimClient, Set<string>>();
  /** Teredo addresses without a client. */
  private readonly mute = new Set<string>();
  /** Number of watched attachments. It distinguishes them, because private addresses repeat. */
  private places = 0;
  private readonly guesses = new Map<SimClient, { total: number; times: number[] }>();
  private readonly bubbleTimes = new Map<string, number[]>();

  constructor(world: World) {
    this.world = world;
    world.observe(() => {
      for (const machine of this.machines)
        check(machine().commands.length === 0, () => 'commands left undrained');
    });
  }

  /** There is never a client with this address. */
  addMute(address: Ipv6): void {
    this.mute.add(toHex(address));
  }

  watchMachine(machine: () => Machine): void {
    this.machines.push(machine);
  }

  watchHost(host: Ipv6Host): void {
    host.sendTaps.push((packet) => this.sent.add(keyOf(packet, 0)));
    host.receiveTaps.push((packet) => {
      if (isError(packet)) return;
      const source = (): string => formatIpv6(packet, SOURCE);
      check(this.sent.has(keyOf(packet, 0)), () => `${source()} never sent the delivered packet`);
    });
  }

  watchRouter(router: Ipv6Router): void {
    router.errorTaps.push((packet) => this.sent.add(keyOf(packet, 0)));
  }

  /** Watches the attachment of a client. */
  watchClientAt(client: SimClient, attachment: Attachment): void {
    const place = this.places++;
    const view = new DatagramView();
    attachment.taps.push((datagram) => {
      if (datagram.source !== attachment.address) return;
      const { payload } = datagram;
      check(decodeDatagram(payload, 0, payload.length, view) === undefined, () => 'a malformed datagram');
      const at = view.ipv6Start;
      // E-93: a peer behind the same NAT names its private address, and its nonce proves the answer from there.
      const isAnswer = isBubble(payload, at) && payload.length > view.ipv6End;
      if (!isAnswer) this.checkDestination(datagram, attachment.address);
      check(this.mayUse(client, payload, at + SOURCE), () => 'a foreign IPv6 source');
      this.sent.add(keyOf(payload, at));
      if (isBubble(payload, at)) {
        this.countBubble(datagram, at, `${place} ${client.node.events.length}`, this.recentGuesses(client));
      }
    });
  }

  /** Watches a server or a relay. The only packets that it originates are bubbles. */
  watchPublicAt(attachment: Attachment, restarts: () => number): void {
    const place = this.places++;
    const view = new DatagramView();
    attachment.taps.push((datagram) => {
      if (datagram.source !== attachment.address) return;
      const { payload } = datagram;
      this.checkDestination(datagram, undefined);
      check(decodeDatagram(payload, 0, payload.length, view) === undefined, () => 'a malformed datagram');
      // A bubble that a server forwards is counted at its sender.
      if (isBubble(payload, view.ipv6Start) && datagram.sourcePort !== TEREDO_PORT) {
        this.countBubble(datagram, view.ipv6Start, `${place} ${restarts()}`);
      }
    });
  }

  /** Checks that the destination is a global address, or a neighbour found by local discovery. `local`: the sender's address. */
  private checkDestination({ destination }: Ipv4Datagram, local: number | undefined): void {
    const neighbour = local !== undefined && destination >>> 8 === local >>> 8;
    const allowed = isGlobal(destination) || neighbour || destination === DISCOVERY_GROUP;
    check(allowed, () => `a datagram to ${formatIpv4(destination)}`);
  }

  private mayUse(client: SimClient, bytes: Uint8Array, offset: number): boolean {
    if (isLinkLocal(bytes, offset)) return true;
    let known = this.addressesOf.get(client);
    if (known === undefined) this.addressesOf.set(client, (known = new Set()));
    for (const address of client.ipv6.addresses) known.add(toHex(address));
    // The machine may use an address before the host has got it.
    const current = client.machine.address;
    if (current !== undefined) known.add(toHex(current));
    return known.has(toHex(bytes, offset, offset + 16));
  }

  /** adr/0016: guesses have their own limits. */
  private recentGuesses(client: SimClient): number {
    let known = this.guesses.get(client);
    if (known === undefined) this.guesses.set(client, (known = { total: 0, times: [] }));
    const { sentGuesses = 0 } = client.machine.counters;
    const { now } = this.world;
    for (; known.total < sentGuesses; known.total++) known.times.push(now);
    if (sentGuesses < known.total) known.total = sentGuesses; // a new machine
    while (known.times.length > 0 && known.times[0]! <= now - BUBBLE_WINDOW_MS) known.times.shift();
    return known.times.length;
  }

  /** `era`: the sender and the last event that reset its budgets. `guesses`: the number allowed in addition. */
  private countBubble(datagram: Ipv4Datagram, at: number, era: string, guesses = 0): void {
    const { destination, destinationPort, payload } = datagram;
    const about = toHex(payload, at + 24, at + 40);
    if (this.mute.has(about)) {
      // E-81: two Echo Tests send one each in addition.
      this.count(`${era} ${destination} ${about}`, datagram, BUDGET_WINDOW_MS, BUDGET + ECHO_TESTS);
    }
    const key = `${era.split(' ')[0]} ${destination}:${destinationPort} ${about}`;
    this.count(key, datagram, BUBBLE_WINDOW_MS, BUBBLES_IN_WINDOW + guesses);
  }

  private count(key: string, datagram: Ipv4Datagram, window: number, most: number): void {
    let times = this.bubbleTimes.get(key);
    if (times === undefined) this.bubbleTimes.set(key, (times = []));
    const { now } = this.world;
    while (times.length > 0 && times[0]! <= now - window) times.shift();
    times.push(now);
    const target = (): string =>
      formatEndpoint({ address: datagram.destination, port: datagram.destinationPort });
    check(times.length <= most, () => `${times.length} bubbles to ${target()} in ${window} ms`);
  }
}

function isGlobal(address: number): boolean {
  return !NOT_GLOBAL.some(([first, length]) => address >>> (32 - length) === first >>> (32 - length));
}

/** Called at each event, where `expect` would cost more than the event. */
function check(holds: boolean, message: () => string): void {
  if (!holds) throw new Error(message());
}

/** Whether it is an ICMPv6 error: routers and tunnels send these when they drop a packet. */
function isError(packet: Uint8Array): boolean {
  return packet[6] === NEXT_HEADER.ICMPV6 && packet[IPV6_HEADER]! < ICMPV6.ECHO_REQUEST;
}

function keyOf(bytes: Uint8Array, at: number): string {
  return toHex(bytes, at, at + 7) + toHex(bytes, at + 8, at + IPV6_HEADER + payloadLength(bytes, at));
}
