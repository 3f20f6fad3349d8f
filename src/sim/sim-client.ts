import { Carrier } from '../core/offload/carrier.ts';
import { ClientMachine, SOCKET } from '../core/client/index.ts';
import type { ClientMachineStatus, ClientOptions } from '../core/client/index.ts';
import { DISCOVERY_GROUP } from '../core/constants.ts';
import type { MachineEvent } from '../core/events.ts';
import type { Ipv4 } from '../wire/index.ts';
import { TEREDO_PORT, equalBytes } from '../wire/index.ts';
import { Ipv4Host } from './ipv4-host.ts';
import type { Ipv4Network } from './ipv4-network.ts';
import { Ipv6Host } from './ipv6-host.ts';
import type { LinkConditions } from './link.ts';
import { MachineNode } from './machine-node.ts';
import { SimWorkers } from './sim-workers.ts';
import type { SeededEntropy } from './seeded-entropy.ts';
import type { World } from './world.ts';

/** The machine's options without `network`, which the simulator knows. */
export interface SimClientOptions extends Omit<ClientOptions, 'network'> {
  /** With `offload`: threads that carry packets, instead of a kernel path. */
  readonly workers?: number | undefined;
}

/** All home networks of the simulator are /24. */
const LAN_PREFIX_LENGTH = 24;

/** A host whose only IPv6 is a Teredo client. */
export class SimClient {
  readonly host = new Ipv4Host();
  readonly ipv6: Ipv6Host;
  readonly machine: ClientMachine;
  readonly node: MachineNode;
  /** Only with the option `offload`. */
  readonly carrier: Carrier | undefined;
  /** Only with the option `workers`. */
  readonly workers: SimWorkers | undefined;
  private readonly world: World;
  private readonly entropy: SeededEntropy;

  /** The host is attached at `address`. Qualification begins with {@link start}. */
  constructor(
    network: Ipv4Network,
    address: Ipv4,
    options: SimClientOptions,
    conditions?: Partial<LinkConditions>,
  ) {
    const { world } = network;
    this.world = world;
    this.entropy = world.newEntropy();
    this.ipv6 = new Ipv6Host(world);
    this.host.attach(network, address, conditions);
    const servicePort = options.servicePort ?? this.randomPort();
    this.machine = new ClientMachine(
      { ...options, servicePort, network: attachedNetwork(address) },
      world.newEntropy(),
    );
    this.node = new MachineNode(world, this.machine, this.ipv6.receive, (event) => this.handleEvent(event));
    this.ipv6.output = this.node.handlePacket;
    const { offload, workers = 1 } = options;
    if (offload === true && workers > 1) {
      const { node, machine } = this;
      this.workers = new SimWorkers(world, machine, workers, world.newEntropy(), (make) =>
        node.request(make),
      );
      node.useKernelPath(this.workers, machine, SOCKET.service);
    } else if (offload === true) {
      this.carrier = new Carrier('client');
      this.node.useKernelPath(this.carrier, this.machine, SOCKET.service);
    }
    this.bind(SOCKET.service, address, servicePort);
  }

  start(): void {
    this.node.request((now) => this.machine.start(now));
  }

  stop(): void {
    this.node.request((now) => this.machine.stop(now));
  }

  /** The machine at this moment. */
  get status(): ClientMachineStatus {
    return this.machine.status(this.world.now);
  }

  /** The host leaves its network and gets `address` on another network, or on the same one. */
  move(network: Ipv4Network, address: Ipv4, conditions?: Partial<LinkConditions>): void {
    this.host.detachAll();
    this.host.attach(network, address, conditions);
    const port = this.randomPort();
    this.bind(SOCKET.service, address, port);
    this.machine.setServicePort(port);
    this.node.request((now) => this.machine.networkChanged(now, attachedNetwork(address)));
  }

  private handleEvent(event: MachineEvent): void {
    const { state, address } = this.machine;
    for (const carrier of [this.carrier, this.workers])
      carrier?.setOwn(state === 'qualified' ? address : undefined);
    switch (event.type) {
      case 'address-added':
        this.ipv6.addresses.push(event.address);
        break;
      case 'address-removed': {
        const at = this.ipv6.addresses.findIndex((address) => equalBytes(address, 0, event.address, 0, 16));
        if (at >= 0) this.ipv6.addresses.splice(at, 1);
        break;
      }
      case 'socket-wanted':
        if (event.socket === SOCKET.discovery) this.bindDiscovery();
        else this.bind(event.socket, this.host.attachment.address, event.port ?? this.randomPort());
        break;
      case 'socket-unwanted':
        this.node.detach(event.socket);
        break;
      case 'state':
      case 'server-chosen':
      case 'key-expired':
      case 'refresh-interval':
        break;
      default:
        event satisfies never;
    }
  }

  private bind(id: number, address: Ipv4, port: number): void {
    const socket = this.host.bind(address, port, (payload, from, fromPort, tos) =>
      this.node.handleDatagram(id, payload, from, fromPort, tos),
    );
    this.node.attach(id, socket);
  }

  private bindDiscovery(): void {
    this.node.detach(SOCKET.discovery);
    const socket = this.host.bindGroup(DISCOVERY_GROUP, TEREDO_PORT, (payload, from, port, tos) =>
      this.node.handleDatagram(SOCKET.discovery, payload, from, port, tos),
    );
    this.node.attach(SOCKET.discovery, socket);
  }

  private randomPort(): number {
    const port = this.entropy.integer(32_768, 61_000);
    return this.host.isTaken(this.host.attachment.address, port) ? this.randomPort() : port;
  }
}

function attachedNetwork(address: Ipv4): NonNullable<ClientOptions['network']> {
  return { localAddress: address, subnets: [{ address, prefixLength: LAN_PREFIX_LENGTH }] };
}
