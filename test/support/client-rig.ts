/**
 * One client machine whose whole environment is the test: the test gives the input, gets the output as values, and sets a
 * clock that jumps from timeout to timeout.
 */
import { ClientMachine } from '../../src/core/client/index.ts';
import type { ClientMachineStatus, ClientOptions } from '../../src/core/client/index.ts';
import type { CommandExecutor } from '../../src/core/commands.ts';
import { HEADROOM } from '../../src/core/machine.ts';
import type { Entropy } from '../../src/core/entropy.ts';
import type { MachineEvent } from '../../src/core/events.ts';
import { authenticationValue } from '../../src/core/secure.ts';
import {
  CONE_FLAG,
  DESTINATION,
  DatagramView,
  ICMPV6,
  SOURCE,
  authenticationLength,
  buildBubble,
  buildEchoReply,
  buildEchoRequest,
  buildRouterAdvertisement,
  decodeDatagram,
  echoData,
  formatEndpoint,
  formatIpv6,
  icmpv6Type,
  isBubble,
  makeLinkLocal,
  makeTeredoAddress,
  nextHeader,
  parseEndpoint,
  parseIpv4,
  parseIpv6,
  writeAuthentication,
  writeIpv6Header,
  writeOrigin,
} from '../../src/wire/index.ts';
import type { Endpoint, Ipv6 } from '../../src/wire/index.ts';

export const v4 = (text: string): number => parseIpv4(text)!;
export const v6 = (text: string): Ipv6 => parseIpv6(text)!;
export const at = (text: string): Endpoint => parseEndpoint(text)!;

export const PRIMARY = at('203.0.113.120:3544');
export const SECONDARY = at('203.0.113.121:3544');
export const MAPPED = at('192.0.2.1:4096');
export const LOCAL = v4('192.168.1.2');
export const SERVERS = [{ primary: PRIMARY.address, secondary: SECONDARY.address }];
export const NATIVE = v6('2001:db8::1');
export const RELAY = at('192.0.2.200:3545');

/** A client B like that of the RFC 6081 examples. */
export const PEER_MAPPED = at('192.0.2.10:8192');
export const PEER_SERVER = at('198.51.100.118:3544');
export const PEER = teredo(PEER_SERVER, PEER_MAPPED);

export function teredo(server: Endpoint, mapped: Endpoint, flags = 0): Ipv6 {
  return makeTeredoAddress({
    server: server.address,
    flags,
    mappedAddress: mapped.address,
    mappedPort: mapped.port,
  });
}

/** A datagram that was sent. */
export class Sent {
  readonly view = new DatagramView();
  readonly socket: number;
  readonly bytes: Uint8Array;
  readonly address: number;
  readonly port: number;
  readonly time: number;

  constructor(socket: number, bytes: Uint8Array, address: number, port: number, time: number) {
    this.socket = socket;
    this.bytes = bytes;
    this.address = address;
    this.port = port;
    this.time = time;
    decodeDatagram(bytes, 0, bytes.length, this.view);
  }

  get kind(): 'solicitation' | 'bubble' | 'test' | 'data' {
    const o = this.view.ipv6Start;
    if (isBubble(this.bytes, o)) return 'bubble';
    if (nextHeader(this.bytes, o) !== 58) return 'data';
    const type = icmpv6Type(this.bytes, o);
    if (type === ICMPV6.RS) return 'solicitation';
    return type === ICMPV6.ECHO_REQUEST && this.port === 3544 ? 'test' : 'data';
  }
  get source(): Ipv6 {
    return this.bytes.slice(this.view.ipv6Start + SOURCE, this.view.ipv6Start + SOURCE + 16);
  }
  get destination(): Ipv6 {
    return this.bytes.slice(this.view.ipv6Start + DESTINATION, this.view.ipv6Start + DESTINATION + 16);
  }
  get nonce(): Uint8Array {
    const offset = this.view.authentication!.nonceOffset;
    return this.bytes.slice(offset, offset + 8);
  }
  /** Kind and destination: "bubble 192.0.2.1:4096". */
  get summary(): string {
    const a = this.address;
    return `${this.kind} ${a >>> 24}.${(a >>> 16) & 255}.${(a >>> 8) & 255}.${a & 255}:${this.port}`;
  }
  to(endpoint: Endpoint): boolean {
    return this.address === endpoint.address && this.port === endpoint.port;
  }
}

/** The parts of a server's answer. By default all have their correct values. */
export interface AnswerOptions {
  readonly from?: Endpoint;
  readonly origin?: Endpoint | undefined;
  readonly withOrigin?: boolean;
  readonly nonce?: Uint8Array;
  readonly withAuthentication?: boolean;
  readonly clientId?: Uint8Array;
  readonly secret?: Uint8Array;
  readonly confirmation?: number;
  readonly prefixServer?: number;
  readonly destination?: Ipv6;
  /** Changes the finished datagram. */
  readonly spoil?: (bytes: Uint8Array, ipv6Start: number) => void;
  readonly packet?: (packet: Uint8Array) => Uint8Array;
}

const EMPTY = new Uint8Array(0);

export function buildAnswer(solicitation: Sent, options: AnswerOptions = {}): Uint8Array {
  const ra = buildRouterAdvertisement({
    source: makeLinkLocal({ flags: CONE_FLAG, mappedPort: 3544, mappedAddress: PRIMARY.address }),
    destination: options.destination ?? solicitation.source,
    prefixServer: options.prefixServer ?? PRIMARY.address,
    mtu: 1280,
  });
  const packet = options.packet?.(ra) ?? ra;
  const secured = options.secret !== undefined;
  const hasAuthentication = options.withAuthentication ?? solicitation.view.hasAuthentication;
  const clientId = options.clientId ?? EMPTY;
  const value = secured ? new Uint8Array(20) : EMPTY;
  const head = hasAuthentication ? authenticationLength(clientId.length, value.length) : 0;
  const ipv6Start = head + (options.withOrigin === false ? 0 : 8);
  const bytes = new Uint8Array(ipv6Start + packet.length);
  if (hasAuthentication) {
    const nonce =
      options.nonce ?? (solicitation.view.hasAuthentication ? solicitation.nonce : new Uint8Array(8));
    writeAuthentication(bytes, 0, { clientId, value, nonce, confirmation: options.confirmation ?? 0 });
  }
  const origin = options.origin ?? MAPPED;
  if (options.withOrigin !== false) writeOrigin(bytes, head, origin.address, origin.port);
  bytes.set(packet, ipv6Start);
  if (secured) {
    const view = new DatagramView();
    decodeDatagram(bytes, 0, bytes.length, view);
    const authentication = view.authentication!;
    const parts = { authentication, origin: view.originStart, ipv6Start, ipv6End: bytes.length };
    bytes.set(authenticationValue(options.secret!, bytes, parts), authentication.value.start);
  }
  options.spoil?.(bytes, ipv6Start);
  return bytes;
}

/** xorshift: the same numbers in every run. */
export function seededEntropy(seed = 1): Entropy {
  let x = seed | 0 || 1;
  return {
    fill(target) {
      for (let i = 0; i < target.length; i++) {
        x ^= x << 13;
        x ^= x >>> 17;
        x ^= x << 5;
        target[i] = x >>> 11;
      }
    },
  };
}

export class ClientRig {
  readonly machine: ClientMachine;
  now = 10_000;
  sent: Sent[] = [];
  delivered: Uint8Array[] = [];
  events: MachineEvent[] = [];
  /** Whether wanted sockets can be opened. */
  opensSockets = true;
  /** "offload ADDRESS ADDRESS:PORT heard TIME" and "unload ADDRESS", in order. */
  offloads: string[] = [];

  constructor(options: Partial<ClientOptions> = {}, seed = 1) {
    this.machine = new ClientMachine(
      {
        servers: SERVERS,
        servicePort: 40_000,
        network: { subnets: [{ address: LOCAL, prefixLength: 24 }], localAddress: LOCAL },
        ...options,
      },
      seededEntropy(seed),
    );
  }

  get address(): Ipv6 {
    return this.machine.address!;
  }
  get status(): ClientMachineStatus {
    return this.machine.status(this.now);
  }
  get kinds(): string[] {
    return this.sent.map(({ summary }) => summary);
  }

  start(): this {
    this.machine.start(this.now);
    return this.drain();
  }

  /** Starts, and answers as the server until the client is qualified; then clears the sent datagrams. */
  qualify(): this {
    this.start();
    this.answer(this.find('solicitation', PRIMARY));
    this.answer(this.find('solicitation', SECONDARY), { from: SECONDARY });
    return this.clear();
  }

  answer(solicitation: Sent, options: AnswerOptions = {}): this {
    return this.receive(options.from ?? PRIMARY, buildAnswer(solicitation, options), solicitation.socket);
  }

  /** The last datagram of this kind to this address and port. */
  find(kind: Sent['kind'], to: Endpoint): Sent {
    const found = this.sent.findLast((one) => one.kind === kind && one.to(to));
    if (found === undefined) throw new Error(`no ${kind} sent there; there are: ${this.kinds.join(', ')}`);
    return found;
  }
  all(kind: Sent['kind'], to?: Endpoint): Sent[] {
    return this.sent.filter((one) => one.kind === kind && (to === undefined || one.to(to)));
  }

  receive(from: Endpoint, payload: Uint8Array, socket = 0, tos = 0): this {
    const { address, port } = from;
    const buffer = new Uint8Array(HEADROOM + payload.length);
    buffer.set(payload, HEADROOM);
    this.machine.handleDatagram(socket, buffer, HEADROOM, buffer.length, address, port, this.now, tos);
    return this.drain();
  }

  send(packet: Uint8Array): this {
    const buffer = new Uint8Array(HEADROOM + packet.length);
    buffer.set(packet, HEADROOM);
    this.machine.handlePacket(buffer, HEADROOM, buffer.length, this.now);
    return this.drain();
  }

  /** The driver reports that packets of this peer were carried. */
  carried(peer: Ipv6, receivedAt: number, sentAt = -Infinity): this {
    this.machine.handleCarried(peer, 0, receivedAt, sentAt, this.now);
    return this.drain();
  }

  /** Lets time pass, and calls the machine at each of its timeouts. */
  advance(ms: number): this {
    const end = this.now + ms;
    for (let wakes = 0; this.machine.pollTimeout() <= end; wakes++) {
      if (wakes > 100_000) throw new Error('the machine asks for timeouts without end');
      this.now = Math.max(this.now, this.machine.pollTimeout());
      this.machine.handleTimeout(this.now);
      this.drain();
    }
    this.now = end;
    return this;
  }

  /** Lets time pass with a server that answers every solicitation; solicitations are not kept in `sent`. */
  advanceServed(ms: number): this {
    const end = this.now + ms;
    while (this.now < end) {
      this.advance(Math.min(100, end - this.now));
      for (const rs of this.all('solicitation', PRIMARY)) this.answer(rs);
      this.sent = this.sent.filter(({ kind }) => kind !== 'solicitation');
    }
    return this;
  }

  clear(): this {
    this.sent = [];
    this.delivered = [];
    this.events = [];
    this.offloads = [];
    return this;
  }

  drain(): this {
    const missing: number[] = [];
    this.machine.commands.drain({
      transmit: (socket, buffer, start, end, address, port) => {
        this.sent.push(new Sent(socket, buffer.slice(start, end), address, port, this.now));
      },
      deliver: (buffer, start, end) => void this.delivered.push(buffer.slice(start, end)),
      ...offloadLog(this.offloads),
      event: (event) => {
        this.events.push(event);
        if (event.type !== 'socket-wanted' || this.opensSockets) return true;
        missing.push(event.socket);
        return false;
      },
    });
    for (const socket of missing) this.machine.socketFailed(socket, this.now);
    return missing.length > 0 ? this.drain() : this;
  }

  /** A UDP-like packet from the client, `size` octets in total. */
  data(destination: Ipv6, size = 60): Uint8Array {
    return data(this.address, destination, size);
  }
}

/** Records offload commands as text. */
export function offloadLog(log: string[]): Pick<CommandExecutor, 'offload' | 'unload'> {
  return {
    offload: (buffer, offset, address, port, heardAt, socket) =>
      void log.push(
        `offload ${formatIpv6(buffer, offset)} ${formatEndpoint({ address, port })} heard ${heardAt}${socket === 0 ? '' : ` by socket ${socket}`}`,
      ),
    unload: (buffer, offset) => void log.push(`unload ${formatIpv6(buffer, offset)}`),
  };
}

export function data(source: Ipv6, destination: Ipv6, size = 60): Uint8Array {
  const packet = new Uint8Array(size);
  writeIpv6Header(packet, 0, {
    payloadLength: size - 40,
    nextHeader: 17,
    hopLimit: 64,
    source,
    destination,
  });
  return packet;
}

export function bubble(source: Ipv6, destination: Ipv6): Uint8Array {
  return buildBubble(source, destination, 21);
}

/** As a server forwards it: with the origin indication. */
export function withOrigin(origin: Endpoint, packet: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(8 + packet.length);
  writeOrigin(bytes, 0, origin.address, origin.port);
  bytes.set(packet, 8);
  return bytes;
}

/** The reply to a connectivity test. */
export function echoReply(test: Sent, change: (data: Uint8Array) => void = () => undefined): Uint8Array {
  const { start, end } = echoData(test.bytes, 0);
  const nonce = test.bytes.slice(start, end);
  change(nonce);
  return buildEchoReply({
    source: test.destination,
    destination: test.source,
    hopLimit: 60,
    identifier: (test.bytes[44] << 8) | test.bytes[45],
    sequence: 1,
    data: nonce,
  });
}

export function echoRequest(source: Ipv6, destination: Ipv6): Uint8Array {
  return buildEchoRequest({
    source,
    destination,
    hopLimit: 60,
    identifier: 1,
    sequence: 1,
    data: new Uint8Array(8),
  });
}

/** An echo reply that no test waits for. */
export function pong(source: Ipv6, destination: Ipv6): Uint8Array {
  return buildEchoReply({
    source,
    destination,
    hopLimit: 64,
    identifier: 1,
    sequence: 1,
    data: new Uint8Array(8),
  });
}
