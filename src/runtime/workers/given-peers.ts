import type { Carried } from '../../core/offload/carried.ts';
import { NO_TRAFFIC } from '../../core/peer-traffic.ts';
import type { UnreportedTraffic } from '../../core/peer-traffic.ts';
import type { CarriedPath, Clock, KernelPath, KernelPathHandlers } from '../../io/ports.ts';
import type { PeerSharing } from '../../io/workers/worker-ports.ts';
import { fromHex, toHex } from '../../wire/index.ts';
import type { Endpoint, Ipv4, Ipv6 } from '../../wire/index.ts';
import type { PeerStep } from './client-messages.ts';
import { PairShares } from './pair-shares.ts';

interface GivenPeer extends Endpoint {
  /** 0: the first thread keeps it. */
  readonly worker: number;
  /** Its packets go to the worker. */
  isShared: boolean;
}

interface Ways {
  readonly workers: number;
  readonly clock: Clock;
  readonly servicePort: number;
  readonly sharing: PeerSharing;
  readonly post: (worker: number, steps: readonly PeerStep[]) => void;
}

/**
 * Gives the peers that a client trusts to its workers. For the machine it is a kernel path: other threads carry packets past the machine and report
 * them. A peer's packets go to a worker once that one has it, so none comes too early. Peers that are reached by sockets of their own stay in the
 * first thread.
 */
export class GivenPeers implements KernelPath {
  readonly counters = {};
  readonly uplinkStates = [];
  private readonly ways: Ways;
  private readonly shares: PairShares;
  private readonly peers = new Map<string, GivenPeer>();
  /** For each worker. */
  private steps: PeerStep[][];
  private isPending = false;
  private handlers: KernelPathHandlers | undefined;

  constructor(ways: Ways) {
    this.ways = ways;
    this.shares = new PairShares(ways.workers);
    this.steps = noSteps(ways.workers);
  }

  get size(): number {
    return this.peers.size;
  }

  start(handlers: KernelPathHandlers): void {
    this.handlers = handlers;
  }

  offload(
    buffer: Uint8Array,
    offset: number,
    address: Ipv4,
    port: number,
    heardAtMs: number,
    localPort = this.ways.servicePort,
  ): void {
    const { clock, servicePort } = this.ways;
    const peer = buffer.slice(offset, offset + 16);
    const key = toHex(peer, 0, 16);
    const isByService = localPort === servicePort;
    const before = this.peers.get(key);
    const stays = before?.address === address && before.port === port && isByService;
    if (before !== undefined && !stays) this.takeBack(key, peer, before);
    if (!isByService) return;
    const given = stays ? before : this.share(key, { address, port });
    if (given.worker === 0) return;
    const heardMsAgo = clock.now() - heardAtMs;
    this.add(given.worker, { peer, place: { address, port, heardMsAgo } });
  }

  unload(buffer: Uint8Array, offset: number): void {
    const peer = buffer.slice(offset, offset + 16);
    const key = toHex(peer, 0, 16);
    const given = this.peers.get(key);
    if (given !== undefined) this.takeBack(key, peer, given);
  }

  flush(): void {
    if (!this.isPending) return;
    const { steps } = this;
    this.steps = noSteps(this.ways.workers);
    this.isPending = false;
    for (const [worker, some] of steps.entries()) if (some.length > 0) this.ways.post(worker, some);
  }

  /** A worker has a peer from now on. */
  took(worker: number, peer: Ipv6): void {
    const given = this.peers.get(toHex(peer, 0, 16));
    if (given?.worker === worker)
      given.isShared = this.ways.sharing.give(peer, 0, given.address, given.port, worker);
    else this.add(worker, { peer }); // meanwhile it is another's
    this.flush();
  }

  /** A worker has a peer no longer. When the machine hears the peer, it is given again. */
  gaveUp(worker: number, peer: Ipv6): void {
    const key = toHex(peer, 0, 16);
    const given = this.peers.get(key);
    if (given?.worker === worker) this.forgetPeer(key, peer, given);
  }

  /** Workers have carried packets. */
  carried(report: Carried): void {
    this.handlers?.onCarried(report);
  }

  forget(): void {
    for (const [key, given] of this.peers) this.takeBack(key, fromHex(key)!, given);
    this.flush();
  }

  end(): void {
    this.forget();
    this.close();
  }

  /** All packets go to the first thread's queue and socket, where a successor may find them. */
  close(): void {
    const { sharing } = this.ways;
    for (const [key, { isShared }] of this.peers) if (isShared) sharing.takeBack(fromHex(key)!, 0);
    this.peers.clear();
    sharing.close();
  }

  pathOf(): CarriedPath {
    return { way: 'none' }; // of the kernel
  }

  unreported(): UnreportedTraffic {
    return { ...NO_TRAFFIC, lastAt: -Infinity };
  }

  *unreportedOctets(): Generator<void> {}
  setOwn(): void {}
  setServed(): void {}
  socketCloses(): void {}
  refused(): void {}
  reportPeers(): void {}
  report(): void {}

  private share(key: string, place: Endpoint): GivenPeer {
    const given = { ...place, worker: this.shares.take(place), isShared: false };
    this.peers.set(key, given);
    return given;
  }

  private takeBack(key: string, peer: Ipv6, given: GivenPeer): void {
    this.forgetPeer(key, peer, given);
    if (given.worker !== 0) this.add(given.worker, { peer });
  }

  private forgetPeer(key: string, peer: Ipv6, given: GivenPeer): void {
    if (given.isShared) this.ways.sharing.takeBack(peer, 0);
    this.shares.release(given);
    this.peers.delete(key);
  }

  private add(worker: number, step: PeerStep): void {
    this.steps[worker]!.push(step);
    this.isPending = true;
  }
}

function noSteps(workers: number): PeerStep[][] {
  return Array.from({ length: workers }, () => []);
}
