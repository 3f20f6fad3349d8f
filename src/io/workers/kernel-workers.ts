import { HEADROOM } from '../../core/machine.ts';
import { PeerSharing } from '../../linux/bpf/peer-sharing.ts';
import { steerByClient } from '../../linux/bpf/steering.ts';
import { sys } from '../../linux/libc.ts';
import { openSharedPort, steerBySource } from '../../linux/shared-port.ts';
import { openTunQueues } from '../../linux/tun.ts';
import { UdpSocket } from '../../linux/udp.ts';
import { explainBind } from '../explain-bind.ts';
import { explainTun } from '../explain-tun.ts';
import { explainSteering } from './explain-steering.ts';
import { KernelTun } from '../kernel-tun.ts';
import type { UdpOptions } from '../port-factory.ts';
import type { Udp } from '../ports.ts';
import { refusable } from '../refusable.ts';
import { systemClock } from '../system-clock.ts';
import { countSystemFailure, survive } from '../system-failures.ts';
import type { Steering } from './worker-of.ts';
import type { PeerTunnel, SharedTunnel, SharedUdp, WorkerPorts } from './worker-ports.ts';
import { startThread } from './worker-thread.ts';

/** Threads of this process, and sockets of the kernel for them. */
export const kernelWorkers: WorkerPorts = {
  clockOffset: Number(process.hrtime.bigint()) / 1e6 - systemClock.now(),
  openSharedUdp: (options, count, key) => {
    const opened = refusable(
      () => openSharedPort(options.address, options.port, count, (sockets) => steerBySource(sockets, key)),
      (error) => explainBind(error, options),
    );
    return shared(opened, options);
  },
  takeOver: (left, options, key) => {
    orClose(left, () => refusable(() => steerBySource(left, key)));
    return shared(left, options);
  },
  openSharedTunnel,
  openPeerTunnel,
  adoptUdp,
  adoptTun: (kept, name) => refusable(() => new KernelTun(name, kept)),
  discard: (other) => void sys.close(other),
  startThread,
};

type Left = Parameters<WorkerPorts['openPeerTunnel']>[4];

function shared([own, ...others]: readonly number[], options: UdpOptions): SharedUdp {
  return { own: orClose(others, () => adoptUdp(own!, options)), others };
}

/** Closes the descriptors if the step throws. */
function orClose<T>(descriptors: readonly number[], step: () => T): T {
  try {
    return step();
  } catch (error) {
    for (const fd of descriptors) sys.close(fd);
    throw error;
  }
}

function adoptUdp(kept: number, options: UdpOptions): Udp {
  return refusable(() => new UdpSocket({ ...options, headroom: HEADROOM, kept }));
}

function openSharedTunnel(name: string, options: UdpOptions, steering: Steering): SharedTunnel {
  const { workers } = steering;
  return openQueues(name, options, workers, (queues, sockets) => steerByClient(queues, sockets, steering));
}

function openPeerTunnel(
  name: string,
  options: UdpOptions,
  workers: number,
  most: number,
  left?: Left,
): PeerTunnel {
  let sharing: PeerSharing | undefined;
  const steer = (queues: readonly number[], sockets: readonly number[]): void => {
    sharing ??= new PeerSharing(queues, sockets, most);
  };
  try {
    // The programs of the earlier process name workers that have no peers yet.
    if (left !== undefined)
      orClose([left.tun, left.udp], () => explainSteering(() => steer([left.tun], [left.udp])));
    const opened = openQueues(name, options, workers, steer, left);
    return { ...opened, sharing: sharingOf(sharing!) };
  } catch (error) {
    sharing?.close();
    throw error;
  }
}

function sharingOf(kernel: PeerSharing): PeerTunnel['sharing'] {
  let isClosed = false;
  return {
    give: (buffer, offset, address, port, worker) => {
      if (isClosed) return false;
      try {
        kernel.give(buffer, offset, address, port, worker);
        return true;
      } catch (error) {
        countSystemFailure(error);
        return false;
      }
    },
    takeBack: (buffer, offset) => {
      if (!isClosed) survive(() => kernel.takeBack(buffer, offset));
    },
    close: () => {
      isClosed = true;
      kernel.close();
    },
  };
}

/** `steer`: gives the kernel the programs that divide. Nothing is left open when it throws, and none of `left`. */
function openQueues(
  name: string,
  options: UdpOptions,
  workers: number,
  steer: (queues: readonly number[], sockets: readonly number[]) => void,
  left?: Left,
): SharedTunnel {
  const { address, port } = options;
  const queues = orClose(left === undefined ? [] : [left.udp], () =>
    refusable(
      () => openTunQueues(name, workers, left?.tun),
      (error) => explainTun(error, name),
    ),
  );
  const sockets: number[] = [];
  let tun: KernelTun | undefined;
  try {
    const opened = refusable(
      () => openSharedPort(address, port, workers, () => {}, left?.udp),
      (error) => explainBind(error, options),
    );
    sockets.push(...opened);
    explainSteering(() => steer(queues, sockets));
    // A port that cannot be made of a descriptor has closed it.
    tun = refusable(() => new KernelTun(name, queues.shift()));
    const udp = adoptUdp(sockets.shift()!, options);
    return { tun, udp, others: queues.map((queue, i) => ({ tun: queue, udp: sockets[i]! })) };
  } catch (error) {
    tun?.close();
    for (const fd of [...queues, ...sockets]) sys.close(fd);
    throw error;
  }
}
