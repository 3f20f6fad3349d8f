import { DISCOVERY_GROUP } from '../core/constants.ts';
import { formatIpv4 } from '../wire/index.ts';
import type { Endpoint, Ipv4 } from '../wire/index.ts';
import { EnvironmentError } from './errors.ts';
import { Pending, lend } from './memory-lending.ts';
import type { Lent } from './memory-lending.ts';
import type { DatagramBatch, Udp } from './ports.ts';

interface Datagram {
  readonly bytes: Uint8Array;
  readonly source: Endpoint;
  /** Default 0. */
  readonly tos?: number;
}

/** The largest UDP payload over IPv4. */
const MAX_DATAGRAM = 65_507;
/** The queue of a socket that is not read, in datagrams. */
const RECEIVE_BUFFER = 1_024;
const FIRST_EPHEMERAL_PORT = 49_152;

/** An IPv4 link in memory, whose sockets receive from each other. Datagrams to other addresses are lost. */
export class MemoryIpv4Network {
  private readonly sockets = new Set<MemoryUdp>();
  private nextPort = FIRST_EPHEMERAL_PORT;

  /** `address` 0: any address of a host that has `hostAddress`. `port` 0: a free port. */
  bind(address: Ipv4, port: number, hostAddress: Ipv4, runs = false): MemoryUdp {
    const local = { address, port: port === 0 ? this.nextPort++ : port };
    const clashes = [...this.sockets].some(
      (other) =>
        other.local.port === local.port &&
        other.hostAddress === hostAddress &&
        (other.local.address === address || other.local.address === 0 || address === 0),
    );
    if (clashes && address !== DISCOVERY_GROUP) {
      const where = address === 0 ? `UDP port ${port}` : `UDP port ${port} of ${formatIpv4(address)}`;
      throw new EnvironmentError('port-taken', `${where} is taken`);
    }
    const socket = new MemoryUdp(this, local, hostAddress, runs, () => this.sockets.delete(socket));
    this.sockets.add(socket);
    return socket;
  }

  /** The socket that is bound to this address and port of a host. */
  find(local: Endpoint, hostAddress: Ipv4): MemoryUdp | undefined {
    for (const socket of this.sockets) {
      if (
        socket.hostAddress === hostAddress &&
        socket.local.address === local.address &&
        socket.local.port === local.port
      )
        return socket;
    }
    return undefined;
  }

  carry(datagram: Datagram, to: Endpoint): void {
    for (const socket of this.sockets) if (socket.listensOn(to)) socket.arrive(datagram);
  }
}

export class MemoryUdp implements Udp {
  readonly local: Endpoint;
  readonly hostAddress: Ipv4;
  readonly counters = {
    receivedDatagrams: 0,
    receivedBytes: 0,
    receiveOverflows: 0,
    receiveFailures: {},
    sentDatagrams: 0,
    sentBytes: 0,
    sendFailures: {} as Record<string, number>,
  };

  /** The latest argument of {@link mergeRuns}. */
  isMerging = true;

  /** Whether a kernel path takes this datagram. */
  carry: ((bytes: Uint8Array, address: Ipv4, port: number, tos: number) => boolean) | undefined;

  private readonly network: MemoryIpv4Network;
  private readonly runs: boolean;
  private readonly onClose: () => void;
  private queue: { readonly pending: Pending; readonly to: Endpoint }[] = [];
  private arrived: Datagram[] = [];
  private onDatagrams: ((batch: DatagramBatch) => void) | undefined;
  private closed = false;

  constructor(
    network: MemoryIpv4Network,
    local: Endpoint,
    hostAddress: Ipv4,
    runs: boolean,
    onClose: () => void,
  ) {
    this.network = network;
    this.runs = runs;
    this.local = local;
    this.hostAddress = hostAddress;
    this.onClose = onClose;
  }

  start(onDatagrams: (batch: DatagramBatch) => void): void {
    this.onDatagrams = onDatagrams;
    if (this.arrived.length > 0) setImmediate(() => this.deliver());
  }

  send(buffer: Uint8Array, offset: number, length: number, address: Ipv4, port: number): void {
    if (!this.closed)
      this.queue.push({ pending: new Pending(buffer, offset, length), to: { address, port } });
  }

  /** Nothing is merged in memory: each run has one datagram. */
  mergeRuns(on: boolean): void {
    this.isMerging = on;
  }

  flush(): void {
    const queue = this.queue;
    this.queue = [];
    for (const { pending, to } of queue) this.transmit(pending.take(), to);
  }

  /** A kernel path sends this datagram from the socket's address and port. */
  sendNow(bytes: Uint8Array, address: Ipv4, port: number): void {
    if (!this.closed) this.carryTo(bytes.slice(), { address, port });
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.queue = [];
    this.arrived = [];
    this.onClose();
  }

  listensOn({ address, port }: Endpoint): boolean {
    if (port !== this.local.port) return false;
    return this.local.address === 0 ? address === this.hostAddress : address === this.local.address;
  }

  arrive(datagram: Datagram): void {
    const { bytes, source, tos = 0 } = datagram;
    if (this.carry?.(bytes, source.address, source.port, tos) === true) return;
    if (this.arrived.length === RECEIVE_BUFFER) {
      this.counters.receiveOverflows++;
      return;
    }
    this.arrived.push(datagram);
    if (this.arrived.length === 1 && this.onDatagrams !== undefined) setImmediate(() => this.deliver());
  }

  private transmit(bytes: Uint8Array, to: Endpoint): void {
    const { counters } = this;
    const refused = to.port === 0 ? 'EINVAL' : bytes.length > MAX_DATAGRAM ? 'EMSGSIZE' : undefined;
    if (refused !== undefined) {
      counters.sendFailures[refused] = (counters.sendFailures[refused] ?? 0) + 1;
      return;
    }
    counters.sentDatagrams++;
    counters.sentBytes += bytes.length;
    this.carryTo(bytes, to);
  }

  private carryTo(bytes: Uint8Array, to: Endpoint): void {
    const address = this.local.address === 0 ? this.hostAddress : this.local.address;
    this.network.carry({ bytes, source: { address, port: this.local.port } }, to);
  }

  private deliver(): void {
    const arrived = this.arrived;
    this.arrived = [];
    const handOver = (batch: Lent<Datagram>): void => {
      if (this.closed) return;
      this.counters.receivedDatagrams += batch.count;
      for (const length of batch.lengths) this.counters.receivedBytes += length;
      this.onDatagrams?.({
        ...batch,
        addresses: Uint32Array.from(batch.parcels, ({ source }) => source.address),
        ports: Uint16Array.from(batch.parcels, ({ source }) => source.port),
        tos: Uint8Array.from(batch.parcels, ({ tos = 0 }) => tos),
      });
    };
    lend(arrived, handOver, this.runs ? 0 : undefined);
  }
}
