import { AddressPolicy } from '../core/address-policy.ts';
import { Carrier } from '../core/offload/carrier.ts';
import { RELAY_SOCKET, RelayMachine } from '../core/relay/index.ts';
import type { RelayOptions } from '../core/relay/index.ts';
import type { Ipv4 } from '../wire/index.ts';
import { Ipv4Host } from './ipv4-host.ts';
import type { Ipv4Network } from './ipv4-network.ts';
import type { PacketHandler } from './ipv6-link.ts';
import type { LinkConditions } from './link.ts';
import { MachineNode } from './machine-node.ts';

/** Default UDP port of a relay. */
const RELAY_PORT = 3545;

export interface SimRelayOptions extends Omit<RelayOptions, 'policy'> {
  readonly policy?: AddressPolicy;
  readonly address: Ipv4;
  readonly port?: number;
}

/**
 * The Teredo side of a relay: {@link SimRelay.handlePacket} takes packets to 2001::/32, `deliver` gets packets from clients.
 * The router or host that contains it forwards them and decrements hop limits. If it serves the addresses of one host only,
 * it is a host-specific relay.
 */
export class SimRelay {
  readonly host = new Ipv4Host();
  /** Only with the option `offload`. */
  carrier: Carrier | undefined;
  private current!: { machine: RelayMachine; node: MachineNode };
  private readonly network: Ipv4Network;
  private readonly native: PacketHandler;
  private readonly options: SimRelayOptions;

  constructor(
    network: Ipv4Network,
    deliver: PacketHandler,
    options: SimRelayOptions,
    conditions?: Partial<LinkConditions>,
  ) {
    this.network = network;
    this.native = deliver;
    this.options = options;
    this.host.attach(network, options.address, conditions);
    this.start();
  }

  get machine(): RelayMachine {
    return this.current.machine;
  }

  get node(): MachineNode {
    return this.current.node;
  }

  readonly handlePacket: PacketHandler = (packet) => this.node.handlePacket(packet);

  /** Restarts the relay: it knows no clients; its address and port are as before. */
  restart(): void {
    this.node.stop();
    this.start();
  }

  private start(): void {
    const { options } = this;
    const { world } = this.network;
    const machine = new RelayMachine({ policy: new AddressPolicy(), ...options }, world.newEntropy());
    const node = new MachineNode(world, machine, this.native, () => {});
    const socket = this.host.bind(options.address, options.port ?? RELAY_PORT, (payload, from, port, tos) =>
      node.handleDatagram(RELAY_SOCKET.service, payload, from, port, tos),
    );
    if (options.offload === true) {
      const carrier = new Carrier('relay');
      carrier.setServed(options.serve);
      node.useKernelPath(carrier, machine, RELAY_SOCKET.service);
      this.carrier = carrier;
    }
    node.attach(RELAY_SOCKET.service, socket);
    this.current = { machine, node };
  }
}
