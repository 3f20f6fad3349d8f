import type { OwnPorts } from '../../linux/bpf/own-ports.ts';
import { formatIpv6 } from '../../wire/index.ts';
import type { Ipv6 } from '../../wire/index.ts';

interface Reached {
  readonly peer: Ipv6;
  readonly localPort: number;
}

/**
 * The local ports by which peers are reached: that of the service, and those of sockets for single peers. The programs may not know the port of
 * a closed socket: any program of this host may get it next.
 */
export class SocketPorts {
  private readonly ports: OwnPorts;
  private readonly service: number;
  /** The peers that are not reached by the service port, by their addresses. There are at most as many as such sockets. */
  private readonly reached = new Map<string, Reached>();

  /** Throws a SystemCallError. */
  constructor(ports: OwnPorts, service: number) {
    this.ports = ports;
    this.service = service;
    ports.add(service);
  }

  /** A peer is about to be carried, by the socket with this port. Throws a SystemCallError. */
  add(peer: Ipv6, localPort: number): void {
    if (localPort === this.service) return this.drop(peer);
    this.ports.add(localPort);
    this.reached.set(formatIpv6(peer), { peer, localPort });
  }

  /** The peer is carried no longer. */
  drop(peer: Ipv6): void {
    if (this.reached.size > 0) this.reached.delete(formatIpv6(peer));
  }

  /** No peer is carried any longer. */
  clear(): void {
    this.reached.clear();
  }

  /** The socket with this port is about to be closed. Returns the peers that were reached by it. Throws a SystemCallError. */
  close(localPort: number): Ipv6[] {
    this.ports.remove(localPort);
    return [...this.reached.values()].filter((one) => one.localPort === localPort).map(({ peer }) => peer);
  }

  /** The peers that are reached by sockets of their own. */
  get peers(): Ipv6[] {
    return [...this.reached.values()].map(({ peer }) => peer);
  }
}
