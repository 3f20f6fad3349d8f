import { connect } from 'node:net';
import type { Socket } from 'node:net';
import type { GuestNetwork } from '../../io/guest/guest-network.ts';
import { formatHost } from '../../wire/proxy-target.ts';
import type { Target } from '../../wire/proxy-target.ts';
import type { Asker } from './asker.ts';
import { Attempts } from './attempts.ts';
import type { Dialed } from './attempts.ts';
import type { Destinations } from './destinations.ts';
import type { Address, Resolver } from './resolver.ts';

/** Addresses of one name that are tried; so many IPv6 addresses, where the name has an IPv4 address. */
const [MOST_ADDRESSES, MOST_IPV6] = [4, 3];

/** Connects to targets: to IPv6 addresses through Teredo, to IPv4 addresses from the host's network. */
export class Dialer {
  private readonly network: Pick<GuestNetwork, 'connect'>;
  private readonly resolver: Pick<Resolver, 'addressesOf'>;
  private readonly destinations: Destinations;
  private readonly connectIpv4: (address: string, port: number) => Socket;

  constructor(
    network: Pick<GuestNetwork, 'connect'>,
    resolver: Pick<Resolver, 'addressesOf'>,
    destinations: Destinations,
    connectIpv4 = connectFromHost,
  ) {
    this.network = network;
    this.resolver = resolver;
    this.destinations = destinations;
    this.connectIpv4 = connectIpv4;
  }

  async dial({ host, port }: Target, asker: Asker): Promise<Dialed> {
    const found = await this.resolver.addressesOf(host, asker);
    if (typeof found === 'string') return { failure: found };
    if (found.length === 0) return { failure: 'not-found' };
    const allowed = port === 0 ? [] : found.filter((address) => this.destinations.allows(address));
    const opens = inTurn(allowed).map((address) => () => this.open(address, port));
    const { gone } = asker;
    return await new Promise((resolve) => {
      const stop = (): void => attempts?.stop();
      gone.addEventListener('abort', stop);
      let attempts: Attempts | undefined = undefined;
      attempts = new Attempts(opens, (result) => {
        gone.removeEventListener('abort', stop);
        resolve(result);
      });
      if (gone.aborted) stop();
    });
  }

  private open(address: Address, port: number): Socket {
    const host = formatHost(address);
    return address.kind === 'ipv6' ? this.network.connect(host, port) : this.connectIpv4(host, port);
  }
}

/** The addresses to try, IPv6 and IPv4 in turn. RFC 8305 section 4 */
function inTurn(addresses: readonly Address[]): Address[] {
  const all4 = addresses.filter(({ kind }) => kind === 'ipv4');
  const six = addresses
    .filter(({ kind }) => kind === 'ipv6')
    .slice(0, all4.length > 0 ? MOST_IPV6 : MOST_ADDRESSES);
  const four = all4.slice(0, MOST_ADDRESSES - six.length);
  const turns = Array.from({ length: MOST_ADDRESSES }, (_, i) => [six[i], four[i]]);
  return turns.flat().filter((address) => address !== undefined);
}

function connectFromHost(host: string, port: number): Socket {
  return connect({ host, port, allowHalfOpen: true });
}
