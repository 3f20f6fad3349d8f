import { AddressPolicy } from '../core/address-policy.ts';
import { SERVER_SOCKET, ServerMachine } from '../core/server/index.ts';
import type { ServerOptions } from '../core/server/index.ts';
import { TEREDO_PORT } from '../wire/index.ts';
import { Ipv4Host } from './ipv4-host.ts';
import type { Ipv4Network } from './ipv4-network.ts';
import type { PacketHandler } from './ipv6-link.ts';
import type { LinkConditions } from './link.ts';
import { MachineNode } from './machine-node.ts';

/** A Teredo server on the public internet. */
export class SimServer {
  readonly host = new Ipv4Host();
  readonly machine: ServerMachine;
  readonly node: MachineNode;

  /** `native`: takes packets to the IPv6 internet. */
  constructor(
    network: Ipv4Network,
    native: PacketHandler,
    options: Omit<ServerOptions, 'policy'> & { readonly policy?: AddressPolicy },
    conditions?: Partial<LinkConditions>,
  ) {
    const { world } = network;
    this.machine = new ServerMachine({ policy: new AddressPolicy(), ...options }, world.newEntropy());
    this.node = new MachineNode(world, this.machine, native, () => {});
    this.listen(network, SERVER_SOCKET.primary, options.primary, conditions);
    if (options.secondary !== undefined) {
      this.listen(network, SERVER_SOCKET.secondary, options.secondary, conditions);
    }
  }

  /** Leaves the internet without notice. */
  die(): void {
    this.node.stop();
    this.host.detachAll();
  }

  private listen(
    network: Ipv4Network,
    socket: number,
    address: number,
    conditions: Partial<LinkConditions> | undefined,
  ): void {
    this.host.attach(network, address, conditions);
    this.node.attach(
      socket,
      this.host.bind(address, TEREDO_PORT, (payload, from, port) =>
        this.node.handleDatagram(socket, payload, from, port),
      ),
    );
  }
}
