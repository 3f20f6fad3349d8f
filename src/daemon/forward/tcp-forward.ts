import { connect } from 'node:net';
import type { Server, Socket } from 'node:net';
import type { GuestNetwork } from '../../io/guest/guest-network.ts';
import type { ForwardRule } from '../../runtime/settings/forward-rule.ts';
import { parseIpv6 } from '../../wire/index.ts';
import type { Admission } from '../proxy/admission.ts';
import { sourceOf } from '../proxy/source-path.ts';
import { withoutZone } from '../proxy/ends.ts';
import { tunnel } from '../proxy/tunnel.ts';
import { ServiceAddresses } from './service-addresses.ts';

const ANY = new Uint8Array(16);
/** Connections that wait to be accepted. */
const BACKLOG = 128;
/** A service has accepted a connection by then. */
const CONNECT_MS = 10_000;

/** A TCP port of the Teredo address. */
export class TcpForward {
  private readonly rule: ForwardRule;
  private readonly addresses: ServiceAddresses;
  private readonly places: Admission;
  private readonly server: Server;
  private readonly peers = new Set<Socket>();

  /** Throws a SystemCallError. */
  constructor(rule: ForwardRule, network: Pick<GuestNetwork, 'listen'>, places: Admission) {
    this.rule = rule;
    this.addresses = new ServiceAddresses(rule.host);
    this.places = places;
    this.server = network.listen(ANY, rule.port, BACKLOG);
    this.server.on('error', () => {}); // a shortage, which passes
    this.server.on('connection', (peer) => void this.serve(peer));
  }

  close(): void {
    this.server.close();
    for (const peer of this.peers) peer.destroy();
  }

  private async serve(peer: Socket): Promise<void> {
    peer.on('error', () => {});
    const source = sourceOf(parseIpv6(withoutZone(peer.remoteAddress)) ?? ANY);
    const place = this.places.admit(source, () => peer.destroy());
    if (place === undefined) return void peer.resetAndDestroy();
    place.confirm();
    this.peers.add(peer);
    const service = await connected(this.rule, this.addresses);
    if (service === undefined) peer.resetAndDestroy();
    else if (peer.destroyed) service.destroy();
    else await tunnel(peer, service);
    this.peers.delete(peer);
    place.leave();
  }
}

/** Undefined: the service does not answer, or the system refuses a socket. */
function connected(
  { host, hostPort }: ForwardRule,
  { lookup }: ServiceAddresses,
): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host, port: hostPort, lookup, allowHalfOpen: true });
    const fail = (): void => {
      socket.destroy();
      resolve(undefined);
    };
    const timer = setTimeout(fail, CONNECT_MS);
    socket.on('error', fail);
    socket.on('close', () => clearTimeout(timer));
    socket.on('connect', () => {
      clearTimeout(timer);
      resolve(socket);
    });
  });
}
