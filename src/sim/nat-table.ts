import type { Ipv4 } from '../wire/index.ts';
import type { Dependence, NatOptions } from './nat-options.ts';
import type { SeededEntropy } from './seeded-entropy.ts';

/** The external endpoint of an internal one, for some or all destinations. */
export interface Mapping {
  readonly address: Ipv4;
  readonly port: number;
  readonly externalPort: number;
  expiresAt: number;
  /** The remote hosts from which packets are admitted, by the part of their endpoint that the filter examines; and the time at which that ends. */
  readonly permitted: Map<number, number>;
}

/** The mappings of a NAT, the remote hosts that each admits, and the times at which they end. */
export class NatTable {
  private readonly options: NatOptions;
  private readonly entropy: SeededEntropy;
  private readonly byInternal = new Map<number, Map<number, Mapping>>();
  private readonly byExternal = new Map<number, Mapping>();
  private nextPort: number;

  constructor(options: NatOptions, entropy: SeededEntropy) {
    this.options = options;
    this.entropy = entropy;
    this.nextPort = options.portRange[0];
  }

  /** Number of mappings, including expired ones that were not looked up since. */
  get size(): number {
    return this.byExternal.size;
  }

  /** The mapping for an outbound datagram, new or refreshed; undefined if all ports are taken. */
  outbound(address: Ipv4, port: number, remote: Ipv4, remotePort: number, now: number): Mapping | undefined {
    const internal = endpointKey(address, port);
    let mappings = this.byInternal.get(internal);
    if (mappings === undefined) this.byInternal.set(internal, (mappings = new Map<number, Mapping>()));
    const key = dependenceKey(this.options.mapping, remote, remotePort);
    let mapping = mappings.get(key);
    if (mapping !== undefined && mapping.expiresAt <= now) {
      this.byExternal.delete(mapping.externalPort);
      mapping = undefined;
    }
    if (mapping === undefined) {
      const externalPort = this.freePort(port, now);
      if (externalPort === undefined) return undefined;
      mapping = { address, port, externalPort, expiresAt: 0, permitted: new Map() };
      mappings.set(key, mapping);
      this.byExternal.set(externalPort, mapping);
    }
    mapping.expiresAt = now + this.options.lifetimeMs;
    mapping.permitted.set(dependenceKey(this.options.filtering, remote, remotePort), mapping.expiresAt);
    return mapping;
  }

  /** The mapping that admits a datagram from outside; undefined if there is none, or it is filtered. */
  inbound(externalPort: number, remote: Ipv4, remotePort: number, now: number): Mapping | undefined {
    const mapping = this.byExternal.get(externalPort);
    if (mapping === undefined || mapping.expiresAt <= now) return undefined;
    const key = dependenceKey(this.options.filtering, remote, remotePort);
    const permittedUntil = mapping.permitted.get(key);
    // With endpoint-independent filtering a single outbound packet admits all senders for the lifetime of the mapping.
    if (permittedUntil === undefined) return undefined;
    if (this.options.filtering !== 'endpoint-independent' && permittedUntil <= now) return undefined;
    if (this.options.inboundRefresh) {
      mapping.expiresAt = now + this.options.lifetimeMs;
      mapping.permitted.set(key, mapping.expiresAt);
    }
    return mapping;
  }

  /** Removes all mappings, as a reboot does. */
  flush(): void {
    this.byInternal.clear();
    this.byExternal.clear();
  }

  private freePort(internalPort: number, now: number): number | undefined {
    const [low, high] = this.options.portRange;
    const count = high - low + 1;
    const first = this.firstChoice(internalPort);
    for (let i = 0; i < count; i++) {
      const port = low + ((first - low + i) % count);
      const taken = this.byExternal.get(port);
      if (taken !== undefined && taken.expiresAt > now) continue;
      if (this.options.ports === 'sequential') this.nextPort = port === high ? low : port + 1;
      return port;
    }
    return undefined;
  }

  private firstChoice(internalPort: number): number {
    const [low, high] = this.options.portRange;
    if (this.options.ports === 'random') return this.entropy.integer(low, high + 1);
    if (this.options.ports === 'sequential') return this.nextPort;
    return internalPort >= low && internalPort <= high ? internalPort : low;
  }
}

function dependenceKey(dependence: Dependence, address: Ipv4, port: number): number {
  if (dependence === 'endpoint-independent') return 0;
  return dependence === 'address-dependent' ? address : endpointKey(address, port);
}

function endpointKey(address: Ipv4, port: number): number {
  return address * 65_536 + port;
}
