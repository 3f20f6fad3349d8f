import { connect } from 'node:net';
import type { Socket } from 'node:net';
import type { GuestNetwork } from '../../io/guest/guest-network.ts';
import { formatHost } from '../../wire/proxy-target.ts';
import type { Target } from '../../wire/proxy-target.ts';
import type { Failure } from './answers.ts';
import type { Destinations } from './destinations.ts';
import type { Address, Resolver } from './resolver.ts';

export type Dialed = { readonly socket: Socket } | { readonly failure: Failure };

/** Addresses of one name that are tried, and the time for the last of them and for each before it. */
const MOST_ADDRESSES = 4;
const [LAST_MS, OTHER_MS] = [20_000, 5_000];

const FAILURES: Readonly<Record<string, Failure>> = {
  ECONNREFUSED: 'refused',
  ECONNRESET: 'refused',
  ENETUNREACH: 'network-unreachable',
  ENETDOWN: 'network-unreachable',
  EADDRNOTAVAIL: 'network-unreachable',
  EHOSTUNREACH: 'host-unreachable',
  EACCES: 'host-unreachable',
  ETIMEDOUT: 'timed-out',
};

/** Connects to targets: to IPv6 addresses through Teredo, to IPv4 addresses from the host's network. */
export class Dialer {
  private readonly network: Pick<GuestNetwork, 'connect'>;
  private readonly resolver: Resolver;
  private readonly destinations: Destinations;

  constructor(network: Pick<GuestNetwork, 'connect'>, resolver: Resolver, destinations: Destinations) {
    this.network = network;
    this.resolver = resolver;
    this.destinations = destinations;
  }

  async dial({ host, port }: Target): Promise<Dialed> {
    const found = await this.resolver.addressesOf(host);
    if (typeof found === 'string') return { failure: found };
    if (found.length === 0) return { failure: 'not-found' };
    const allowed = port === 0 ? [] : found.filter((address) => this.destinations.allows(address));
    const tried = allowed.slice(0, MOST_ADDRESSES);
    let result: Dialed = { failure: 'not-allowed' };
    for (const [i, address] of tried.entries()) {
      result = await this.attempt(address, port, i === tried.length - 1 ? LAST_MS : OTHER_MS);
      if ('socket' in result) return result;
    }
    return result;
  }

  private attempt(address: Address, port: number, ms: number): Promise<Dialed> {
    return new Promise((resolve) => {
      let socket: Socket;
      try {
        socket = this.open(address, port);
      } catch (error) {
        return resolve({ failure: failureIn(error) });
      }
      const end = (result: Dialed): void => {
        clearTimeout(timer);
        socket.removeAllListeners();
        // A later error is the business of the new owner, or of none.
        if ('failure' in result) socket.on('error', () => {}).destroy();
        resolve(result);
      };
      const timer = setTimeout(() => end({ failure: 'timed-out' }), ms);
      socket.on('error', (error) => end({ failure: failureIn(error) }));
      socket.on('connect', () => end({ socket }));
    });
  }

  private open(address: Address, port: number): Socket {
    const host = formatHost(address);
    if (address.kind === 'ipv6') return this.network.connect(host, port);
    return connect({ host, port, allowHalfOpen: true });
  }
}

function failureIn(error: unknown): Failure {
  return FAILURES[(error as NodeJS.ErrnoException).code ?? ''] ?? 'failed';
}
