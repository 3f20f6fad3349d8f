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

/** RFC 4380 section 5.2.4, C-9, written down apart from the machines' own list: first address, bits of the prefix. */
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

/** To one pair about one peer a client or relay sends its own bubble and an answer every 2 s at most; some slack for resets. */
const BUBBLE_WINDOW_MS = 10_000;
const BUBBLES_IN_WINDOW = 20;

/** What holds in every world without attackers, whatever happens; looked at after each event. */
export class Invariants {
  private readonly world: World;
  private readonly machines: (() => Machine)[] = [];
  /** Every packet that its source has sent, without the hop limit. */
  private readonly sent = new Set<string>();
  private readonly addressesOf = new Map<SimClient, Set<string>>();
  /** Teredo addresses at which nobody is. */
  private readonly mute = new Set<string>();
  /** How many places are watched; private addresses alone would not tell them apart. */
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

  /** Nobody will ever answer at this address. */
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
      check(this.sent.has(keyOf(packet, 0)), () => `${source()} never sent what was delivered`);
    });
  }

  watchRouter(router: Ipv6Router): void {
    router.errorTaps.push((packet) => this.sent.add(keyOf(packet, 0)));
  }

  /** Where a client is attached now. */
  watchClientAt(client: SimClient, attachment: Attachment): void {
    const place = this.places++;
    const view = new DatagramView();
    attachment.taps.push((datagram) => {
      if (datagram.source !== attachment.address) return;
      const { payload } = datagram;
      check(decodeDatagram(payload, 0, payload.length, view) === undefined, () => 'a malformed datagram');
      const at = view.ipv6Start;
      // E-93: whoever is behind the same NAT names its own address, and its nonce proves who answers there.
      const isAnswer = isBubble(payload, at) && payload.length > view.ipv6End;
      if (!isAnswer) this.checkDestination(datagram, attachment.address);
      check(this.mayUse(client, payload, at + SOURCE), () => 'a foreign IPv6 source');
      this.sent.add(keyOf(payload, at));
      if (isBubble(payload, at)) {
        this.countBubble(datagram, at, `${place} ${client.node.events.length}`, this.recentGuesses(client));
      }
    });
  }

  /** Of a server or a relay: what it sends of its own accord are bubbles. */
  watchPublicAt(attachment: Attachment, restarts: () => number): void {
    const place = this.places++;
    const view = new DatagramView();
    attachment.taps.push((datagram) => {
      if (datagram.source !== attachment.address) return;
      const { payload } = datagram;
      this.checkDestination(datagram, undefined);
      check(decodeDatagram(payload, 0, payload.length, view) === undefined, () => 'a malformed datagram');
      // What a server forwards is somebody else's, and counted there.
      if (isBubble(payload, view.ipv6Start) && datagram.sourcePort !== TEREDO_PORT) {
        this.countBubble(datagram, view.ipv6Start, `${place} ${restarts()}`);
      }
    });
  }

  /** Only to global addresses, but for neighbours that local discovery has found. `local`: the sender's own address. */
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
    // The machine may use an address before its host has been told.
    const current = client.machine.address;
    if (current !== undefined) known.add(toHex(current));
    return known.has(toHex(bytes, offset, offset + 16));
  }

  /** adr/0016: guesses have limits of their own. */
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

  /** `era`: who sends, and since which event; budgets start anew with each. `guesses`: how many there may be besides. */
  private countBubble(datagram: Ipv4Datagram, at: number, era: string, guesses = 0): void {
    const { destination, destinationPort, payload } = datagram;
    const about = toHex(payload, at + 24, at + 40);
    if (this.mute.has(about)) {
      // E-81: two Echo Tests send one each, besides.
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

/** Runs at each event: an `expect` would cost more than the event. */
function check(holds: boolean, message: () => string): void {
  if (!holds) throw new Error(message());
}

/** ICMPv6 errors are sent by whoever had to drop a packet, routers and tunnels alike. */
function isError(packet: Uint8Array): boolean {
  return packet[6] === NEXT_HEADER.ICMPV6 && packet[IPV6_HEADER]! < ICMPV6.ECHO_REQUEST;
}

function keyOf(bytes: Uint8Array, at: number): string {
  return toHex(bytes, at, at + 7) + toHex(bytes, at + 8, at + IPV6_HEADER + payloadLength(bytes, at));
}
