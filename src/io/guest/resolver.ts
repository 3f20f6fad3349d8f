import { createSocket } from 'node:dgram';
import type { RemoteInfo, Socket as UdpSocket } from 'node:dgram';
import { Resolver } from 'node:dns';
import { connect, createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import { connectUdp } from '../connect-udp.ts';
import type { Guest } from './guest.ts';

/** Questions that wait for an answer of the host's resolver; a further one is not answered. */
const MOST_QUESTIONS = 256;
const MOST_CONNECTIONS = 16;
/** A server that has not answered by then is left, and the next one asked. */
const ANSWER_MS = 1_500;
const IDLE_MS = 10_000;
const DNS_PORT = 53;
/** Length of a DNS header, and its second pair of octets: an answer, recursion available, SERVFAIL. RFC 1035 section 4.1.1 */
const HEADER = 12;
const [IS_ANSWER, RECURSION_AVAILABLE, SERVFAIL] = [0x80, 0x80, 2];

/** Passes the DNS questions of a guest to the resolvers of the host, unread, and their answers back. */
export class GuestResolver {
  private readonly udp: UdpSocket | undefined;
  private readonly tcp: Server | undefined;
  private readonly connections = new Set<Socket>();
  private readonly questions = new Set<UdpSocket>();
  private servers: readonly string[];
  private closed = false;

  /** `servers`: IP addresses, with a port unless it is 53. */
  constructor(
    { descriptors: { dns, dnsTcp } }: Pick<Guest, 'descriptors'>,
    servers: readonly string[] = hostServers(),
  ) {
    this.servers = servers;
    if (dns !== undefined) this.udp = this.listenUdp(dns);
    if (dnsTcp !== undefined) this.tcp = this.listenTcp(dnsTcp);
  }

  /** From now on. */
  useServers(servers: readonly string[]): void {
    this.servers = servers;
  }

  close(): void {
    this.closed = true;
    this.udp?.close();
    this.tcp?.close();
    for (const connection of this.connections) connection.destroy();
    for (const question of this.questions) question.close();
    this.questions.clear();
  }

  private listenUdp(fd: number): UdpSocket {
    const socket = createSocket('udp4');
    socket.on('error', () => {});
    socket.on('message', (question, from) => this.ask(question, from, 0));
    socket.bind({ fd });
    return socket;
  }

  private ask(question: Buffer, from: RemoteInfo, tried: number): void {
    const server = this.servers[tried];
    if (this.closed || question.length < HEADER || this.questions.size >= MOST_QUESTIONS) return;
    if (server === undefined) return this.answer(failureOf(question), from);
    const { host, port } = placeOf(server);
    const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
    this.questions.add(socket);
    const end = (then: () => void): void => {
      if (!this.questions.delete(socket)) return;
      clearTimeout(timer);
      socket.close();
      then();
    };
    const next = (): void => end(() => this.ask(question, from, tried + 1));
    const timer = setTimeout(next, ANSWER_MS);
    socket.on('error', next);
    socket.on('message', (answer) => {
      if (answer.length >= HEADER && answer.readUInt16BE(0) === question.readUInt16BE(0))
        end(() => this.answer(answer, from));
    });
    // Connected: answers of others do not come in.
    connectUdp(socket, port, host, (isConnected) => {
      if (!isConnected) next();
      else if (this.questions.has(socket)) socket.send(question, () => {});
    });
  }

  private answer(answer: Buffer, { address, port }: RemoteInfo): void {
    if (!this.closed) this.udp?.send(answer, port, address, () => {});
  }

  private listenTcp(fd: number): Server {
    const server = createServer((inside) => this.pass(inside));
    server.maxConnections = MOST_CONNECTIONS;
    server.on('error', () => {});
    server.listen({ fd });
    return server;
  }

  private pass(inside: Socket): void {
    const first = this.servers[0];
    if (first === undefined) return void inside.destroy();
    const { host, port } = placeOf(first);
    const outside = connect({ host, port });
    for (const [one, other] of [
      [inside, outside],
      [outside, inside],
    ] as const) {
      this.connections.add(one);
      one.setTimeout(IDLE_MS, () => one.destroy());
      one.on('error', () => other.destroy());
      one.on('close', () => {
        this.connections.delete(one);
        other.destroy();
      });
      one.pipe(other);
    }
  }
}

/** The resolvers of the host, as its file has them now. */
export function hostServers(): string[] {
  return new Resolver().getServers();
}

/** As `getServers` gives them: `192.0.2.1`, `192.0.2.1:54`, `2001:db8::1`, `[2001:db8::1]:54`. */
export function placeOf(server: string): { readonly host: string; readonly port: number } {
  const found = /^(?:\[([^\]]+)\]|([^:]+)):(\d+)$/.exec(server);
  if (found === null) return { host: server, port: DNS_PORT };
  return { host: found[1] ?? found[2]!, port: Number(found[3]) };
}

/** The answer that no server has answered. */
function failureOf(question: Buffer): Buffer {
  const answer = Buffer.from(question);
  answer[2] = answer[2]! | IS_ANSWER;
  answer[3] = RECURSION_AVAILABLE | SERVFAIL;
  return answer;
}
