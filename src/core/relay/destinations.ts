import { TEREDO_PORT, isTeredo, mappedAddressOf, mappedPortOf, serverOf } from '../../wire/index.ts';
import type { Ipv4 } from '../../wire/index.ts';
import type { KnownPeer } from '../known-peer.ts';
import type { RelayContext } from './context.ts';
import type { RelayOptions } from './options.ts';

/** The clients that this relay may send to, by the IPv4 addresses (mapped, server) in their Teredo addresses. */
export class Destinations {
  private readonly context: RelayContext;
  private own: RelayOptions['own'];

  constructor(context: RelayContext) {
    this.context = context;
    this.own = context.options.own;
  }

  /** The relay's outer addresses have changed. */
  setOwnAddresses(addresses: readonly Ipv4[]): void {
    if (this.own !== undefined) this.own = { ...this.own, addresses };
  }

  /** Whether the access list allows both IPv4 addresses in the Teredo address at `buffer[client]`. */
  mayServe(buffer: Uint8Array, client: number): boolean {
    const { access } = this.context;
    return access.allows(mappedAddressOf(buffer, client)) && access.allows(serverOf(buffer, client));
  }

  /** The opposite of {@link mayServe}; counts a denial. */
  isDenied(buffer: Uint8Array, client: number): boolean {
    if (this.mayServe(buffer, client)) return false;
    this.context.counters.droppedDenied++;
    return true;
  }

  /** Whether a client that a predecessor has trusted may be sent to at its address and port. */
  mayAdopt({ address, mappedAddress, mappedPort }: KnownPeer): boolean {
    const { options, access } = this.context;
    if (!isTeredo(address, 0) || mappedPort === 0 || this.isOwn(mappedAddress, mappedPort)) return false;
    const isAllowed = access.allows(mappedAddress) && this.mayServe(address, 0);
    return isAllowed && options.policy.isGlobalUnicast(mappedAddress);
  }

  /** R-4, for the mapped address and the server's address; counts a refusal. */
  isReachable(buffer: Uint8Array, client: number): boolean {
    const { options, counters } = this.context;
    const mapped = mappedAddressOf(buffer, client);
    const server = serverOf(buffer, client);
    const port = mappedPortOf(buffer, client);
    if (!options.policy.isGlobalUnicast(mapped) || !options.policy.isGlobalUnicast(server) || port === 0) {
      counters.droppedDestinationNotGlobal++;
      return false;
    }
    if (this.isOwn(mapped, port) || this.isOwn(server, TEREDO_PORT)) {
      counters.droppedLoop++;
      return false;
    }
    return true;
  }

  private isOwn(address: Ipv4, port: number): boolean {
    const { own } = this;
    return own !== undefined && port === own.port && own.addresses.includes(address);
  }
}
